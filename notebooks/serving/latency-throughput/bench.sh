for callers in 30 60 100 200; do
  vllm bench serve --model meta-llama/Llama-3.1-8B-Instruct --ignore-eos \
    --random-input-len 2000 --random-output-len 500 --seed $callers \
    --max-concurrency $callers --num-prompts $((20 * callers)) \
    --goodput ttft:1000 tpot:40
done
