"""Fine-tuning: `finetune.run` is the whole run, `loop.fit` the loop, `checkpoint` what makes a resume exact."""
