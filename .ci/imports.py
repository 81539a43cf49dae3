"""Check who imports whom, room by room: python .ci/imports.py [folder of the checkout]

1. A room imports only the rooms that its line below names; inside a room a notebook imports only lower numbers.
2. The rooms in TORCH_FREE load neither torch nor what needs it, not even through another module.
3. Tutorials only call the library: no class, no function, no lambda, and imports from it in at most 8 lines.
4. No import upward means also that no notebook imports a tutorial and that all rooms are here.
"""
import ast
import json
import re
import subprocess
import sys
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

PACKAGE = 'small_math_r1'
BELOW = {
    'core': '',
    'data': 'core',
    'grading': 'core',
    'models': 'core data grading',
    'training': 'core data grading models',
    'evaluation': 'core data grading models',
    'reports': 'core data grading models training evaluation',
    'commands': 'core data grading models training evaluation reports',
    'cli': 'core data grading models training evaluation reports commands',
    'tutorials': 'core data grading models training evaluation reports commands',
}
TORCH_FREE = ('core', 'data', 'grading')
HEAVY = {'torch', 'torchvision', 'transformers', 'trl', 'peft', 'accelerate', 'bitsandbytes'}
MAX_IMPORT_LINES = 8

root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()
below = {room: set(rooms.split()) for room, rooms in BELOW.items()}
wrong = []


def code_of(notebook: Path) -> list[str]:
    "Python of the notebook's code cells"
    cells = json.loads(notebook.read_text(encoding='utf-8'))['cells']
    cells = [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'code']
    return [
        TransformerManager().transform_cell(cell) for cell in cells if not cell.startswith('%%')
    ]  # Resolves ! and %


def imported(nodes: list[ast.AST]) -> set[str]:
    "Dotted names that are imported, also those taken `from` somewhere"
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import): names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = '.'.join(filter(None, [PACKAGE if node.level else '', node.module]))
            names |= {base} | {f'{base}.{alias.name}' for alias in node.names}
    return names


code = {path: code_of(path) for path in sorted((root/'nbs').rglob('[0-9c]*.ipynb')) if 'checkpoint' not in str(path)}
nodes = {path: [node for cell in cells for node in ast.walk(ast.parse(cell))] for path, cells in code.items()}
places = {}  # Module to room and number
for path in code:
    room = path.parent.name if path.parent.name != 'nbs' else path.stem
    number = path.stem.split('_')[0]
    if room not in below: wrong.append(f'{path.relative_to(root)}: the rooms are {", ".join(below)}')
    if room == 'tutorials': continue
    module = f'{room}.{path.stem.partition("_")[2]}' if '_' in path.stem else room
    if any(place == (room, number) for place in places.values()): wrong.append(f'{room} has two notebooks {number}')
    if module != f'{room}.{room}': places[module] = (room, number)  # 00_room.ipynb is the room's page
if missing := sorted(set(below) - {path.parent.name for path in code} - {'cli'}): wrong.append(f'no room {missing}')

for path, found in nodes.items():
    room = path.parent.name if path.parent.name != 'nbs' else path.stem
    number, names = path.stem.split('_')[0], imported(found)
    is_page = path.stem == f'00_{room}'
    for module, (other_room, other_number) in places.items():
        if f'{PACKAGE}.{module}' not in names: continue
        is_below = other_number < number or is_page if other_room == room else other_room in below[room]
        if not is_below: wrong.append(f'{path.relative_to(root)} imports {module}, which is not below it')
    if room != 'tutorials': continue
    for node in found:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            name = getattr(node, 'name', 'a lambda')
            wrong.append(f'{path.relative_to(root)} defines {name}: tutorials only call the library')
    lines = sum(node.end_lineno - node.lineno + 1 for node in found
                if isinstance(node, ast.ImportFrom) and (node.module or '').startswith(PACKAGE))
    if lines > MAX_IMPORT_LINES:
        wrong.append(f'{path.relative_to(root)} imports from {PACKAGE} in {lines} lines, at most {MAX_IMPORT_LINES}')

tutorials = [path for path in code if path.parent.name == 'tutorials']
if len(tutorials) > 12: wrong.append(f'{len(tutorials)} tutorials, at most 12')

for room in TORCH_FREE:  # One process a room: what one of its modules loads, all of them load
    modules = [f'{PACKAGE}.{module}' for module, (its_room, _) in places.items() if its_room == room]
    script = f'import sys, {", ".join(modules)}; print(*sys.modules)'
    done = subprocess.run([sys.executable, '-c', script], cwd=root, capture_output=True, text=True, timeout=120)
    if done.returncode != 0: wrong.append(f'{room} cannot be imported: {done.stderr.strip()[-300:]}')
    elif heavy := sorted(HEAVY & set(done.stdout.split())): wrong.append(f'{room} loads {", ".join(heavy)}')

if wrong: sys.exit('\n'.join(wrong))
print(f'{len(code)} notebooks in {len(below)} rooms import downwards only; {", ".join(TORCH_FREE)} are free of torch')
