"""Check what a reader of the source meets: python .ci/style.py [folder of the checkout]

1. No line of code is longer than MAX_LINE characters: code cells, .ci/, setup.py.
2. An exported cell holds at most one public definition.
3. A notebook begins with '# Title' and '> One sentence.', and is small enough for GitHub to show.
4. All tutorials are set up by the same first code cell.
"""
import ast
import json
import sys
from pathlib import Path

MAX_LINE, MAX_BYTES = 120, 300_000

root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()
wrong, set_ups, num_lines = [], {}, 0


def too_long(name: str, text: str) -> None:
    "Note each line over the limit"
    for number, line in enumerate(text.split('\n'), 1):
        if len(line) > MAX_LINE: wrong.append(f'{name} line {number} has {len(line)} characters, at most {MAX_LINE}')


notebooks = sorted(path for path in (root/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in path.parts)
for path in notebooks:
    name = str(path.relative_to(root))
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    title = ''.join(cells[0]['source']).split('\n')
    if not (title[0].startswith('# ') and len(title) == 3 and title[2].startswith('> ')):
        wrong.append(f"{name} must begin with a cell '# Title', an empty line and '> One sentence.'")
    if path.stat().st_size > MAX_BYTES: wrong.append(f'{name} has {path.stat().st_size:,} bytes, at most {MAX_BYTES:,}')
    code = [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'code']
    if path.parent.name == 'tutorials': set_ups.setdefault(code[0], []).append(name)
    for place, text in enumerate(code, 1):
        num_lines += text.count('\n') + 1
        too_long(f'{name}, code cell {place},', text)
        if not text.startswith('#| export'): continue
        public = [node.name for node in ast.parse(text).body
                  if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith('_')]
        if len(public) > 1: wrong.append(f'{name}, code cell {place}, exports {", ".join(public)}: one a cell')

for path in (root/'setup.py', *sorted((root/'.ci').glob('*.py')), root/'.ci'/'run'):
    too_long(str(path.relative_to(root)), path.read_text(encoding='utf-8'))
if len(set_ups) > 1: wrong.append(f'tutorials begin with {len(set_ups)} different code cells: {list(set_ups.values())}')

if wrong: sys.exit('\n'.join(wrong))
print(f'{num_lines:,} lines of code in {len(notebooks)} notebooks, none over {MAX_LINE} characters')
