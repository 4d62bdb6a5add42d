#!/bin/bash
#SBATCH --job-name=planet
#SBATCH --array=0-4
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=planet-%A_%a.log
#
# Workers on the runs of one experiment, as a SLURM array job:
#
#     sbatch [options of sbatch] scripts/slurm_array.sh OPTIONS OF train.py
#
# Submit it from the folder of the program. Every task of the array is a worker
# that takes the runs that are free, one after the other; see docs/runs.md.
# `DRY_RUN=1 scripts/slurm_array.sh ...` only shows what a task would start.
#
# PYTHON is the interpreter, by default that of .venv.

set -u

# SLURM runs a copy of this file, so its place says nothing.
cd "${SLURM_SUBMIT_DIR:-$PWD}" || exit 1
if [ ! -f scripts/train.py ]; then
  echo "There is no scripts/train.py in $PWD. Submit this from the folder of" \
    "the program." >&2
  exit 2
fi

task="${SLURM_ARRAY_JOB_ID:-local}_${SLURM_ARRAY_TASK_ID:-0}"
command=("${PYTHON:-.venv/bin/python}" scripts/train.py)
# What the options say counts; train.py takes each of them once.
[[ " $*" == *" --worker_name"* ]] || command+=(--worker_name "slurm-$task")
[[ " $* " == *" --wait "* ]] || command+=(--nowait)
command+=("$@")
if [ -n "${DRY_RUN:-}" ]; then
  printf '%q ' "${command[@]}"
  echo
  exit 0
fi

# When the time is nearly over, or another job needs the place, the worker
# saves, gives its run back, and ends with status 75.
worker=
stopped=
stop() {
  stopped=yes
  if [ -n "$worker" ]; then
    kill -TERM "$worker" 2>/dev/null
  fi
}
trap stop TERM

"${command[@]}" &
worker=$!
if [ -n "$stopped" ]; then
  stop
fi
while true; do
  wait "$worker"
  status=$?
  # Waiting ends with the signal, before the worker does.
  kill -0 "$worker" 2>/dev/null || break
done

case "$status" in
  75)
    echo "Stopped. Back into the queue, to go on later."
    if [ -n "${SLURM_ARRAY_JOB_ID:-}" ]; then
      scontrol requeue "$task"
    fi
    exit 0
    ;;
  69)
    echo "What is not done is being worked on by others."
    exit 0
    ;;
  *) # 0: all is done. 1: a run failed.
    exit "$status"
    ;;
esac
