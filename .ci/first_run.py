"""Run the README's first command and check what it leaves: python .ci/first_run.py <folder for the run>"""
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

out = Path(sys.argv[1])
start = time.monotonic()
command = ['small-math-r1', 'run', '--out', str(out), '--json']
done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=1500)
seconds = time.monotonic() - start
if done.returncode != 0: sys.exit(f'small-math-r1 run ended with {done.returncode}')


def refuse(constant: str) -> None:
    "JSON has no NaN or Infinity, Python's reader takes them"
    raise ValueError(f'{constant} in what --json printed')


results = json.loads(done.stdout, parse_constant=refuse)
missing = {'base', 'sft', 'grpo'} - set(results['stages'])
if missing: sys.exit(f'no result for {", ".join(sorted(missing))}')
told = []
for stage, result in results['stages'].items():
    score = result['greedy']['strict']
    if not 0 < score['n'] or not 0 <= score['low'] <= score['correct']/score['n'] <= score['high'] <= 1:
        sys.exit(f'{stage}: {score} is no accuracy with its interval')
    told.append(f'{stage} {score["correct"]}/{score["n"]}')
for name in ('report.html', 'results.json', 'manifest.json'):
    if not (out/name).is_file() or (out/name).stat().st_size == 0: sys.exit(f'{name} is missing or empty')
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss/1024**2  # Linux counts KiB; the largest process
if peak > 6: sys.exit(f'it held {peak:.1f} GiB of memory, allowed are 6')
if seconds > 20 * 60:
    sys.exit(
        f'it took {seconds:.0f} s, on two quiet cores it should take less than 720'
    )  # with room for a noisy machine
again = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=300)
if again.returncode != 0 or json.loads(again.stdout) != results:
    sys.exit('the same command a second time did not give the same results')
print(f'{", ".join(told)} (greedy, strict); wall time {seconds:.0f} s, peak memory {peak:.1f} GiB')
