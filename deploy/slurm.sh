#!/bin/bash
# A sweep on the nodes of one Slurm job, by a Ray of its own:  sbatch deploy/slurm.sh sweep.yaml
#
# Submit it from a folder that all nodes share, with TUNER_STORE naming a PostgreSQL database: SQLite files do not stand
# network file systems. When a node fails or the time is over, Slurm queues the job again, and the sweep goes on from
# its last checkpoint until it is done. The nodes are its own, as `ray symmetric-run` ends every Ray of yours on them.
#SBATCH --job-name=tuner
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=08:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
spec=${1:?usage: sbatch deploy/slurm.sh SPEC}

# Whoever can reach Ray's ports could run programs: it wants a token, which is this job's alone.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$PWD/.ray-token-$SLURM_JOB_ID"
(umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$RAY_AUTH_TOKEN_PATH")
trap 'rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT
trap 'scontrol requeue "$SLURM_JOB_ID"' USR1 # two minutes before the end

export TUNER_STORE="${TUNER_STORE:?expected postgresql+psycopg://user@host/database, got nothing}" OMP_NUM_THREADS=1
sweep=(tuner run "$spec" --quiet)
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
    name=$(tuner run "$spec" --check --json | python -c 'import json, sys; print(json.load(sys.stdin)["spec"]["name"])')
    sweep=(tuner resume "$name" --quiet) # the latest of that name
fi

nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
address="${nodes%%$'\n'*}:6379" # of the first one
srun --kill-on-bad-exit=0 --cpus-per-task="$SLURM_CPUS_ON_NODE" \
    ray symmetric-run --address "$address" --min-nodes "$SLURM_NNODES" \
    --num-cpus "$SLURM_CPUS_ON_NODE" --disable-usage-stats -- env RAY_ADDRESS="$address" "${sweep[@]}" &
wait $! # not in the foreground: a trap would wait for it
