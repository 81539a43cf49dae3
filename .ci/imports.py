"""Check who imports whom: python .ci/imports.py [folder of the checkout]

1. A notebook imports only modules of notebooks with a lower number (00, 00a, 01, ...).
2. The modules in TORCH_FREE load neither torch nor what needs it, not even through another module.
3. Walk-throughs (20 and up) only call the library: no class, no function longer than a lambda.
"""
import ast
import json
import re
import subprocess
import sys
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

PACKAGE = 'small_math_r1'
TORCH_FREE = ('problems tables files verifier sources pickles originals readers duplicates worlds corpus mixing values recipes cards selection mixture run_parts answers graders rewards preflight groups signals evaluation '
              'figures pages outputs regrade comparison_figures formulas benchmarks training_figures training_pages reports comparison_page').split()
HEAVY = {'torch', 'torchvision', 'transformers', 'trl', 'peft', 'accelerate', 'bitsandbytes'}

root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()
wrong = []


def parsed(notebook: Path) -> list[ast.AST]:
    "All nodes of a notebook's code cells"
    cells = [''.join(cell['source']) for cell in json.loads(notebook.read_text(encoding='utf-8'))['cells'] if cell['cell_type'] == 'code']
    plain = [TransformerManager().transform_cell(cell) for cell in cells if not cell.startswith('%%')]  # Resolves ! and %
    return [node for cell in plain for node in ast.walk(ast.parse(cell))]


def imported(nodes: list[ast.AST]) -> set[str]:
    "Dotted names that are imported, also those taken `from` somewhere"
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import): names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = '.'.join(filter(None, [PACKAGE if node.level else '', node.module]))
            names |= {base} | {f'{base}.{alias.name}' for alias in node.names}
    return names


notebooks = {path: parsed(path) for path in sorted((root/'nbs').glob('[0-9]*.ipynb'))}
numbers, stems = {}, {}  # Module to number, number to stem
for path in notebooks:
    number, module = re.fullmatch(r'(\d\d[a-z]?)_(\w+)', path.stem).groups()
    if number in stems: wrong.append(f'{path.stem} and {stems[number]} have the same number')
    numbers[module], stems[number] = number, path.stem

for path, nodes in notebooks.items():
    number = path.stem.split('_')[0]
    for module, other in numbers.items():
        if f'{PACKAGE}.{module}' in imported(nodes) and not other < number:
            wrong.append(f'{path.stem} imports {stems[other]}, which is not lower')
    for node in nodes if number >= '20' else ():
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        is_short = is_function and len(node.body) == 1 and isinstance(node.body[0], ast.Return | ast.Expr)
        if isinstance(node, ast.ClassDef) or (is_function and not is_short):
            wrong.append(f'{path.stem} defines {node.name}: walk-throughs only call the library')

for module in TORCH_FREE:
    if module not in numbers: continue
    heavy = sorted({name.split('.')[0] for name in imported(notebooks[root/'nbs'/f'{stems[numbers[module]]}.ipynb'])} & HEAVY)
    if heavy: wrong.append(f'{stems[numbers[module]]} imports {", ".join(heavy)}, but it is to be free of torch')
    code = f'import sys, {PACKAGE}.{module}; print(*sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        wrong.append(f'{PACKAGE}.{module} cannot be imported: {done.stderr.strip()[-300:]}')
        continue
    loaded = done.stdout.split()
    ours = [name for name in loaded if name.startswith(PACKAGE + '.') and name != f'{PACKAGE}.{module}']
    if heavy := sorted(HEAVY & set(loaded)):
        wrong.append(f'{PACKAGE}.{module} loads {", ".join(heavy)} (of ours it loads {", ".join(ours) or "nothing"})')

if wrong: sys.exit('\n'.join(wrong))
print(f'{len(notebooks)} notebooks import downwards only')
