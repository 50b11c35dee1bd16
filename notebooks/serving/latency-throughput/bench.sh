for callers in 30 60 120 240; do
  vllm bench serve --model meta-llama/Llama-3.1-8B-Instruct --ignore-eos \
    --random-input-len 2000 --random-output-len 500 \
    --max-concurrency $callers --num-prompts $((5 * callers)) \
    --goodput ttft:1000 tpot:40
done
