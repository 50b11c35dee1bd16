vllm serve Qwen/Qwen3-8B \
  --max-num-seqs 128 --max-num-queued-reqs 138
