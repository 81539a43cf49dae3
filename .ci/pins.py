"""Check the private names of TRL and Transformers that the library relies on: python .ci/pins.py

1. Whatever the library touches is in the table of `small_math_r1.training.internals`. Three things count: a private
   name (`self._x`, `super()._x`, `getattr(x, '_x')`, a method `_x`) that the library does not define itself, or that a
   class of the table's modules defines too; a public method of ours that one of these classes has too, in a module that
   imports one of the packages (but not `on_...`, which is what callbacks are meant to have); and a name that is
   imported from below the top of a package, or a private one.
2. The table holds for the installed versions, and for the lowest and the highest published version that each pin in
   settings.ini allows. Those are downloaded as wheels, unpacked and read; nothing of them is imported.
3. Both checks still notice a row that is changed, a row that is missing, and a private name that nobody tabled.
Without a package index the second part cannot be made: the exit status is then 77.
"""
import ast
import configparser
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from small_math_r1.training.internals import INTERNALS, Internal

root = Path(__file__).resolve().parents[1]
library = root/'small_math_r1'
PACKAGES = ('trl', 'transformers', 'accelerate', 'peft')
PUBLIC = {'_exit'}    # of `os`, documented in spite of its name


# --- what a source says, read as text ---

def file_of(module: str, folder: Path | None) -> Path | None:
    "Source of a module, below a folder or as it is installed"
    package, *rest = module.split('.')
    if folder is None:
        spec = find_spec(package)  # Imports nothing, for a package at the top
        if spec is None or spec.origin is None: return None
        start = Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin).parent/package
    else: start = folder/package
    path = start.joinpath(*rest)
    return next((file for file in (path.with_suffix('.py'), path/'__init__.py') if file.is_file()), None)


@cache
def parsed(path: Path) -> ast.Module: return ast.parse(path.read_text(encoding='utf-8'))


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    "Statements of a body, also those under a condition"
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            for inner in (node.body, node.orelse, *(part.body for part in getattr(node, 'handlers', ()))):
                yield from statements(inner)


def definitions(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    "Name of what a module or class defines, assigns or imports -> statement"
    names = {}
    for node in statements(body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef): names[node.name] = node
        if isinstance(node, ast.AnnAssign): names[ast.unparse(node.target)] = node
        if isinstance(node, ast.Assign): names |= {ast.unparse(target): node for target in node.targets}
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name: node for alias in node.names}
    return names


def attributes(node: ast.AST) -> set[str]:
    "Attributes that are assigned to `self` anywhere in it"
    names = set()
    for part in ast.walk(node):
        if not isinstance(part, ast.Attribute) or not isinstance(part.ctx, ast.Store): continue
        if isinstance(part.value, ast.Name) and part.value.id == 'self': names.add(part.attr)
    return names


def parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    optional = [False]*(len(plain) - len(arguments.defaults)) + [True]*len(arguments.defaults)
    names = [f'{argument.arg}{"="*has_default}' for argument, has_default in zip(plain, optional)]
    if arguments.vararg: names.append(f'*{arguments.vararg.arg}')
    elif arguments.kwonlyargs: names.append('*')
    names += [f'{argument.arg}{"="*(default is not None)}'
              for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults)]
    if arguments.kwarg: names.append(f'**{arguments.kwarg.arg}')
    return names


def returned(function: ast.FunctionDef) -> set[int]: # Numbers of values, 1 where it is no tuple in brackets
    returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    return {len(value.elts) if isinstance(value, ast.Tuple) else 1 for value in returns}


# --- the table against a source ---

def fault(row: Internal, folder: Path | None) -> str | None:
    module, _, class_name = row.place.partition(':')
    path = file_of(module, folder)
    if path is None: return 'there is no such module'
    body, assigned = parsed(path).body, set()
    if class_name:
        holder = definitions(body).get(class_name)
        if not isinstance(holder, ast.ClassDef): return 'there is no such class'
        body, assigned = holder.body, attributes(holder)
    node = definitions(body).get(row.name)
    is_module = not class_name and file_of(f'{module}.{row.name}', folder) is not None
    if node is None and not is_module and row.name not in assigned: return 'it is not there'
    if row.signature is None: return None
    if not isinstance(node, ast.FunctionDef): return None if isinstance(node, ast.ImportFrom) else 'it is no function'
    actual, expected = parameters(node), row.signature.split(', ') if row.signature else []
    if row.use == 'calls':
        names = {parameter.strip('=') for parameter in actual}
        missing = [name for name in expected if name.strip('=') not in names]
        needed = [name for name in actual if name not in ('self', *expected) and not name.endswith('=')]
        needed = [name for name in needed if not name.startswith('*')]
        if missing or needed: return f'it takes ({", ".join(actual)}) and we pass ({row.signature})'
    elif actual != expected: return f'it takes ({", ".join(actual)}), not ({row.signature})'
    if row.returns and returned(node) != {row.returns}:
        return f'it returns {sorted(returned(node))} values, not {row.returns}'


def faults(
    folder: Path | None = None, *, package: str | None = None, table: tuple[Internal, ...] = INTERNALS
) -> list[str]:
    "Compare the table with the sources below a folder, or with the installed ones; a sentence for each fault"
    rows = [row for row in table if package in (None, row.place.replace(':', '.').split('.')[0])]
    checked = [(row, fault(row, folder)) for row in rows]
    return [f'{row.place} {row.name}, which {row.where} {row.use}: {wrong}' for row, wrong in checked if wrong]


# --- the library against the table ---

def is_private(name: object) -> bool: return isinstance(name, str) and bool(re.fullmatch('_[A-Za-z].*', name))


def touched(tree: ast.Module) -> set[str]:
    "Private names that a module uses as attributes or defines as methods"
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute): names.add(node.attr)
        if isinstance(node, ast.ClassDef):
            names |= {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ('getattr', 'setattr', 'hasattr'):
            names |= {argument.value for argument in node.args[1:2] if isinstance(argument, ast.Constant)}
    return {name for name in names if is_private(name)} - PUBLIC


def deep_imports(tree: ast.Module) -> set[tuple[str, str]]:
    "Names from below the top of a package, and private ones"
    imports = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.level or not node.module: continue
        if node.module.split('.')[0] not in PACKAGES: continue
        imports |= {(node.module, alias.name) for alias in node.names if '.' in node.module or is_private(alias.name)}
    return imports


def own_names(trees: list[ast.Module]) -> set[str]:
    "Private names that the library defines"
    names = set()
    for tree in trees:
        names |= attributes(tree) | definitions(tree.body).keys()
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef): names |= definitions(node.body).keys()
    return names


def upstream_names(table: tuple[Internal, ...]) -> set[str]:
    "What the classes of the table's modules define, as installed"
    modules = {row.place.partition(':')[0] for row in table if ':' in row.place}
    paths = [file_of(module, None) for module in sorted(modules) if module.split('.')[0] in PACKAGES]
    classes = [node for path in paths if path for node in parsed(path).body if isinstance(node, ast.ClassDef)]
    return set().union(*({*definitions(node.body), *attributes(node)} for node in classes))


def untabled(library: Path = library, *, table: tuple[Internal, ...] = INTERNALS) -> list[str]:
    "Names of other packages that the library touches and the table does not have; a sentence for each"
    files = [path for path in sorted(library.rglob('*.py')) if path.name != '_modidx.py']
    trees = {path: ast.parse(path.read_text(encoding='utf-8')) for path in files}
    own, upstream = own_names(list(trees.values())), upstream_names(table)
    known, sentences = {row.name for row in table}, []
    for path, tree in trees.items():
        place, imported = path.relative_to(library).as_posix(), deep_imports(tree)
        near = any(isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] in PACKAGES
                   for node in ast.walk(tree))
        names = {name for name in touched(tree) if name not in own or (near and name in upstream)}
        if near:
            methods = {part.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
                       for part in node.body if isinstance(part, ast.FunctionDef)}
            names |= {name for name in methods & upstream if not name.startswith(('__', 'on_'))}
        sentences += [f'{place} touches {name}' for name in sorted(names - known)]
        places = {(row.place, row.name) for row in table}
        sentences += [f'{place} imports {name} from {module}' for module, name in sorted(imported - places)]
    return sentences


# --- published versions ---

def pip(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, '-m', 'pip', '--disable-pip-version-check', *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def ends(requirement: Requirement) -> list[str]:
    "Lowest and highest published version that a pin allows"
    asked = pip('index', 'versions', requirement.name, '--retries', '1', '--timeout', '15')
    published = re.search(r'Available versions: (.*)', asked.stdout)
    if not published:
        print('no package index can be reached:', ' '.join(asked.stderr.split())[-200:])
        sys.exit(77)
    allowed = sorted(requirement.specifier.filter(published[1].split(', ')), key=Version)
    if not allowed: sys.exit(f'no published version of {requirement.name} is in {requirement.specifier}')
    return sorted({allowed[0], allowed[-1]}, key=Version)


def wrong_in(name: str, version: str, folder: Path) -> list[str]:
    "Download and unpack a version, and compare the table with it"
    wheel = folder/f'{name}-{version}'
    got = pip('download', '-q', '--no-deps', '--only-binary', ':all:', '-d', str(wheel), f'{name}=={version}')
    if got.returncode != 0: return [f'{name} {version} cannot be downloaded: {got.stderr.strip()[-300:]}']
    modules = tuple(row.place.partition(':')[0].replace('.', '/') for row in INTERNALS)
    with zipfile.ZipFile(next(wheel.glob('*.whl'))) as archive:
        archive.extractall(wheel/'unpacked', [member for member in archive.namelist() if member.startswith(modules)])
    return [f'{name} {version}: {sentence}' for sentence in faults(wheel/'unpacked', package=name)]


def blind() -> list[str]:
    "What the checks fail to notice in a table or a library that is spoilt on purpose"
    def changed(which: str, **values: object) -> tuple[Internal, ...]:
        return tuple(row._replace(**values) if row.name == which else row for row in INTERNALS)

    spoilt = {
        'attribute': changed('_buffered_inputs', name='_buffered_input'),
        'class': changed('_step', place='trl.trainer.grpo_trainer:GrpoTrainer'),
        'module': changed('smart_resize', place='transformers.models.qwen2_vl.image_processing'),
        'signature': changed('_generate', signature='self, prompts, images'),
        'number of returned values': changed('_generate', returns=7),
        'argument of a call': changed('_get_output_dir', signature='trials'),
    }
    unnoticed = [f'a row with a wrong {what}' for what, table in spoilt.items() if len(faults(table=table)) != 1]
    missing = tuple(row for row in INTERNALS if row.name != '_buffered_inputs')
    if untabled(table=missing) != ['training/checkpoints.py touches _buffered_inputs']:
        unnoticed.append('a missing row')
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, 'mine.py').write_text(
            'from trl import GRPOTrainer\nfrom trl.trainer.utils import RepeatSampler, pad\n\n'
            'class Mine(GRPOTrainer):\n'
            '    def _generate(self, prompts): self._own = getattr(self.model, "_hidden", None)\n'
            '    def _helper(self): return self._own, self._metrics\n'
            '    def get_train_dataloader(self): return []\n'
            '    def on_log(self): pass\n'
        )
        names = ('touches _hidden', 'touches get_train_dataloader', 'imports pad from trl.trainer.utils')
        if untabled(Path(folder)) != [f'mine.py {name}' for name in names]: unnoticed.append('a name without a row')
    return [f'.ci/pins.py does not notice {what}' for what in unnoticed]


wrong = untabled() + [f'installed: {sentence}' for sentence in faults()] or blind()
if wrong: sys.exit('\n'.join(wrong))

settings = configparser.ConfigParser()
settings.read(root/'settings.ini', encoding='utf-8')
pins = [Requirement(text) for text in settings['DEFAULT']['requirements'].split()]
pins = [pin for pin in pins if pin.name in PACKAGES and any(row.place.startswith(f'{pin.name}.') for row in INTERNALS)]
with ThreadPoolExecutor(4) as pool, tempfile.TemporaryDirectory() as folder:
    versions = [(pin.name, version) for pin, found in zip(pins, pool.map(ends, pins)) for version in found]
    wrong = sum(pool.map(lambda pair: wrong_in(*pair, Path(folder)), versions), [])
if wrong: sys.exit('\n'.join(wrong))
print(f'{len(INTERNALS)} names in {", ".join(map(" ".join, versions))}')
