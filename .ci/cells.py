"""Count the code cells of a notebook that `nbdev_test` runs and skips: python .ci/cells.py nbs/00_problems.ipynb"""
import sys
from pathlib import Path

from nbdev.config import get_config
from nbdev.process import NBProcessor

flags = set(get_config().tst_flags.split())
run = skipped = 0
for cell in NBProcessor(Path(sys.argv[1]), rm_directives=False).nb.cells:
    if cell.cell_type != 'code': continue
    directives = cell.directives_
    if flags & directives.keys() or directives.get('eval:', [''])[0].lower() == 'false': skipped += 1
    else: run += 1
print(f'{run} cells run, {skipped} skipped')
