vllm serve meta-llama/Llama-3.1-8B-Instruct \
  --max-num-seqs 100 --max-num-batched-tokens 2048
