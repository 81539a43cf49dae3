"""Write what is generated from the notebooks; with --check, only compare.

* README.md from nbs/index.ipynb: `{user}`, `{repo}`, `{branch}` and `{git_url}` are replaced by the values of
  settings.ini, `{tutorials}` by a table of nbs/tutorials/ and `{rooms}` by a table of the rooms. Of a cell that
  begins with `#| echo: false` only the output is taken.
* nbs/README.md: every notebook, room by room.
* images/rooms.svg: the rooms as small_math_r1.core.rooms draws them.
* The address and the tag of the repository in all notebooks.
"""
import os
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

from small_math_r1.core.rooms import FLOORS, PURPOSES, rooms_svg

MAX_BYTES = 9 * 1024  # Of README.md
root = Path(__file__).resolve().parents[1]
config = ConfigParser(delimiters=['='])
config.read(root/'settings.ini', encoding='utf-8')
address = {key: config['DEFAULT'][key] for key in ('user', 'repo', 'branch', 'git_url')}
version = config['DEFAULT']['version']
colab = 'https://colab.research.google.com/github/{user}/{repo}/blob/{branch}/nbs/'.format(**address)
rooms = [room for floor in reversed(FLOORS) for room in floor if room != 'cli']


def addressed(text: str) -> str:
    "Point the Colab links and the clone command of a notebook at the repository and version of settings.ini"
    text = re.sub(r'https://colab\.research\.google\.com/github/[^/\s]+/[^/\s]+/blob/[^/\s]+/nbs/', colab, text)
    clone = r'(git clone [-\w ]*--branch )\S+ https://[\w./-]+'
    return re.sub(clone, rf'\g<1>v{version} {address["git_url"]}', text)


def title_of(path: Path) -> tuple[str, str]:
    "Title of a notebook and the sentence under it"
    first = nbformat.read(path, as_version=4).cells[0].source
    match = re.match(r'# (?P<title>.+)\s+> (?P<sentence>.+)', first)
    if not match: sys.exit(f"{path.name} must begin with a cell '# Title' and '> One sentence', got {first[:80]!r}")
    return match['title'].strip(), match['sentence'].strip()


def badge(path: Path) -> str:
    "Link that opens a notebook in Colab"
    link = colab + path.relative_to(root/'nbs').as_posix()
    return f'[![Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})'


def table(columns: list[str], rows: list[list[str]]) -> str:
    return '\n'.join('| ' + ' | '.join(cells) + ' |' for cells in [columns, ['---']*len(columns), *rows])


def tutorials(folder: str, *, sentences: bool) -> str:
    "Table of the tutorials, linked from `folder`"
    rows = []
    for path in sorted((root/'nbs'/'tutorials').glob('*.ipynb')):
        title, sentence = title_of(path)
        link = os.path.relpath(path, root/folder)
        rows.append([f'[{title}]({link})', *([sentence] if sentences else []), badge(path)])
    return table(['tutorial', *(['what it shows'] if sentences else []), 'run it'], rows)


def all_notebooks() -> str:
    "The text of nbs/README.md"
    intro = (
        'Every module of the library is defined, explained and tested in one notebook, in the folder of its room.'
        ' Rooms are listed from the ground floor up: a room imports only rooms listed before it. This page is generated'
        ' by `.ci/readme.py`.'
    )
    parts = ['# All notebooks', intro, '## tutorials', tutorials('nbs', sentences=True)]
    for room in rooms:
        rows = []
        for path in sorted((root/'nbs'/room).glob('*.ipynb')):
            title, sentence = title_of(path)
            rows.append([f'[{path.stem}]({room}/{path.name})', f'**{title}.** {sentence}'])
        purpose = PURPOSES[room][0].upper() + PURPOSES[room][1:]
        parts += [f'## {room}', f'{purpose}.', table(['notebook', 'what it defines'], rows)]
    title, sentence = title_of(root/'nbs'/'cli.ipynb')
    parts += ['## cli', table(['notebook', 'what it defines'], [['[cli](cli.ipynb)', f'**{title}.** {sentence}']])]
    return '\n\n'.join(parts) + '\n'


def readme() -> str:
    "The text of README.md"
    notebook = nbformat.read(root/'nbs/index.ipynb', as_version=4)
    notebook.metadata.language_info = {'name': 'python'}  # nbdev_clean drops it; the fences need it
    notebook.cells = [cell for cell in notebook.cells if not re.match(r'#\|\s*hide\b', cell.source)]
    for cell in notebook.cells:
        if re.match(r'#\|\s*echo:\s*false\b', cell.source): cell.metadata.transient = {'remove_source': True}
        cell.source = re.sub(r'(?m)\A(#\|.*\n?)+', '', cell.source)
    text, resources = MarkdownExporter().from_notebook_node(notebook)
    assert not resources['outputs'], 'index.ipynb must link figures from images/, not embed them'
    pages = [[f'[{room}](nbs/{room}/00_{room}.ipynb)', PURPOSES[room]] for room in reversed(rooms)]
    made = {'tutorials': tutorials('.', sentences=False), 'rooms': table(['room', 'what is in it'], pages)}
    for key, value in {**address, **made}.items(): text = text.replace('{' + key + '}', value)
    text = re.sub(r'\]\(\.\./', '](', text)  # ../images/x.png -> images/x.png
    text = re.sub(r'\]\((?!https?:|#|images/|nbs/)([\w/]+\.(?:ipynb|md))', r'](nbs/\1', text)
    text = re.sub(r'\n{3,}', '\n\n', text).strip() + '\n'
    if len(text.encode()) > MAX_BYTES: sys.exit(f'README.md has {len(text.encode())} bytes, at most {MAX_BYTES}')
    return text


stale = []


def settle(path: Path, text: str) -> None:
    "Write `text`, or with --check note that the file has another"
    if path.exists() and path.read_text(encoding='utf-8') == text: return
    if '--check' in sys.argv: stale.append(str(path.relative_to(root)))
    else: path.write_text(text, encoding='utf-8')


for path in sorted((root/'nbs').rglob('*.ipynb')):
    if '.ipynb_checkpoints' not in path.parts: settle(path, addressed(path.read_text(encoding='utf-8')))
settle(root/'images'/'rooms.svg', rooms_svg())
settle(root/'nbs'/'README.md', all_notebooks())
settle(root/'README.md', readme())
if stale: sys.exit(f'{", ".join(stale)}: stale, run python .ci/readme.py')
print(f'README.md has {(root/"README.md").stat().st_size:,} bytes')
