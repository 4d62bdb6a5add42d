#!/bin/bash
#SBATCH --job-name=planet-tune
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=planet-tune-%j.log
#
# A sweep on several nodes of SLURM. Submit it from the folder of the program:
#
#     sbatch [options of sbatch] docs/recipes/slurm_tune.sh OPTIONS OF tune.py
#
# `ray symmetric-run` starts Ray on every node and tune.py on the first one.
# --logdir must be on a disk that all nodes share. Submitted again, it goes on.
# `DRY_RUN=1 docs/recipes/slurm_tune.sh ...` only shows the command.

set -eu

cd "${SLURM_SUBMIT_DIR:-$PWD}"
bin=${BIN:-$PWD/.venv/bin}
nodes=${SLURM_JOB_NUM_NODES:-1}
head=$(scontrol show hostnames "${SLURM_JOB_NODELIST:-localhost}" 2>/dev/null |
  head -n 1 || true)
address="${head:-127.0.0.1}:${RAY_PORT:-6379}"

command=(
  srun --nodes="$nodes" --ntasks="$nodes"
  "$bin/ray" symmetric-run --address "$address" --min-nodes "$nodes"
  --num-cpus="${SLURM_CPUS_PER_TASK:-1}"
  --
  "$bin/python" scripts/tune.py --address=auto "$@"
)
if [ -n "${DRY_RUN:-}" ]; then
  printf '%q ' "${command[@]}"
  echo
  exit 0
fi
export RAY_worker_niceness=0
"${command[@]}"
