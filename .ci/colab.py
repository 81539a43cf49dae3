"""Run tutorials as Colab does: colab.py NOTEBOOK [NOTEBOOK ...]

Each notebook alone is copied into an empty folder and runs in a kernel whose environment has the dependencies but not
this package. A stand-in takes the place of `google.colab`, and a clone of this checkout that of the address.
"""
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = '''import os
from pathlib import Path
def mount(path):
    import small_math_r1.reports.notebook as notebook
    assert str(notebook.DRIVE) == path
    notebook.DRIVE = Path(os.environ['STAND_IN_DRIVE'])
    print('mounted', path)
'''


def as_on_colab(notebook: Path) -> dict:
    "The notebook in a kernel that has google.colab loaded, with a local clone in place of the address"
    text = json.loads(notebook.read_text(encoding='utf-8'))
    changed = 0
    for cell in text['cells']:
        source = ''.join(cell['source'])
        cell['source'], number = re.subn(r'git clone \S.*', f'git clone -q {ROOT} small-math-r1', source)
        changed += number
    if changed != 1: sys.exit(f'{notebook.name} clones {changed} times, it should once')
    first = {'cell_type': 'code', 'execution_count': None, 'metadata': {}, 'outputs': [], 'id': 'stand-in'}
    text['cells'].insert(0, first | {'source': 'import google.colab'})
    last = "import small_math_r1\nprint('imported from', small_math_r1.__file__)"
    text['cells'].append(first | {'source': last, 'id': 'imported'})
    return text


def run(notebook: Path, folder: Path, timeout: int) -> str:
    "Run all cells in `folder`, and return the last output"
    from nbclient import NotebookClient
    import nbformat

    cells = nbformat.from_dict(as_on_colab(notebook))
    (folder/'content').mkdir()
    resources = {'metadata': {'path': str(folder/'content')}}
    client = NotebookClient(cells, timeout=timeout, kernel_name='python3', resources=resources)
    try: client.execute()
    finally:
        for cell in cells.cells[:3]: print(*(output.get('text', '') for output in cell.get('outputs', ())))
    return cells.cells[-1].outputs[0].text.strip()


def environment(folder: Path) -> Path:
    "Python of an environment that sees the packages of this one, but not this project"
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', str(folder)], check=True)
    python = folder/'bin'/'python'
    site = subprocess.check_output([python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'], text=True)
    for path in Path(sysconfig.get_path('purelib')).iterdir():  # Links to all packages but this one
        link = Path(site.strip())/path.name
        if 'small_math_r1' not in path.name and path.suffix != '.pth': link.symlink_to(path)
    colab = folder/'stand_in'/'google'/'colab'
    colab.mkdir(parents=True)
    (colab/'__init__.py').touch()
    (colab/'drive.py').write_text(STAND_IN)
    (Path(site.strip())/'stand_in.pth').write_text(str(colab.parents[1]) + '\n')
    return python


if __name__ == '__main__':
    if '--inside' in sys.argv:
        notebook, folder = sys.argv[2:]
        print(run(Path(notebook), Path(folder), timeout=1800))
        sys.exit()
    with tempfile.TemporaryDirectory() as work:
        python = environment(Path(work)/'env')
        for name in sys.argv[1:]:
            folder, start = Path(work)/Path(name).stem, time.monotonic()
            folder.mkdir()
            environ = os.environ | {'PIP_DISABLE_PIP_VERSION_CHECK': '1', 'STAND_IN_DRIVE': str(folder/'drive')}
            command = [python, __file__, '--inside', str(Path(name).resolve()), str(folder)]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, cwd=folder)
            if done.returncode != 0: sys.exit(f'{name}:\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}')
            where = done.stdout.strip().splitlines()[-1]
            if work not in where: sys.exit(f'{name}: {where}, which is not what it installed')
            print(f'{Path(name).name} runs from an empty folder, {time.monotonic() - start:.0f} s', flush=True)
