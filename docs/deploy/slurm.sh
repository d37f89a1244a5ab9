#!/usr/bin/env bash
# A night on a Slurm cluster: one job array, one shard a task. How to start and to merge it: README.md.
#SBATCH --job-name=postmortem
#SBATCH --array=1-16
#SBATCH --cpus-per-task=4
#SBATCH --mem=2G
#SBATCH --time=01:30:00
#SBATCH --output=postmortem-%A-%a.log
set -euo pipefail

: "${SLURM_ARRAY_TASK_ID:?submit this with sbatch}"
: "${NIGHT:?say which night: sbatch --export=ALL,NIGHT=2026-11-26 docs/deploy/slurm.sh}"
# A task that is run again alone must be told how many shards there are.
shards="${SHARDS:-$SLURM_ARRAY_TASK_COUNT}"
results="results/$NIGHT"

cd "${SLURM_SUBMIT_DIR:-.}"
exec target/release/postmortem ci --night "$NIGHT" --for "${TIME:-1h}" \
    --shard "$SLURM_ARRAY_TASK_ID/$shards" --jobs "${SLURM_CPUS_PER_TASK:-1}" \
    --json "$results" --findings "$results/findings" --junit "$results/junit.$SLURM_ARRAY_TASK_ID.xml"
