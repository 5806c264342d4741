#!/usr/bin/env python3
"""perf at a task: its calls, after a switch, down to where it began and not beyond.

usage: perf_weft.py PROGRAM"""
import os
import shutil
import subprocess
import sys
import tempfile


def no_use(reason):
    print(reason)
    sys.exit(77)


def record(data, program):
    return subprocess.run(['perf', 'record', '--quiet', '--event', 'cpu-clock:u', '--freq', '499',
                           '--call-graph', 'fp', '--output', data, program],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)


def chains(program):
    """Each sample's functions, innermost first."""
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, 'perf.data')
        if record(data, 'true').returncode != 0:
            no_use('perf may not take samples here')
        made = record(data, program)
        if made.returncode != 0:
            sys.exit(made.stdout.decode(errors='replace'))
        out = subprocess.run(['perf', 'script', '--input', data, '--fields', 'ip,sym'], check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60).stdout
    samples = out.decode(errors='replace').split('\n\n')
    return [[line.split()[1] for line in sample.splitlines() if len(line.split()) > 1]
            for sample in samples]


def main():
    if not shutil.which('perf'):
        no_use('perf is not on this machine')
    ours = [chain for chain in chains(sys.argv[1]) if 'spin' in chain]
    if len(ours) < 20:
        no_use('perf took only %d samples' % len(ours))
    good = [chain for chain in ours
            if chain[chain.index('spin') + 1:][:2] == ['compute', 'wf_task_run']
            and chain[-1] == 'wf_context_start']
    bad = [chain for chain in ours if chain not in good]
    # A sample may find a function before its frame is there, or after: then one caller is missing.
    if len(bad) > len(ours) // 10 or any('main' in chain for chain in bad):
        sys.exit('%d of %d are not whole, such as: %s' % (len(bad), len(ours), bad[0]))


if __name__ == '__main__':
    main()
