def accuracy_reward(completions, answer, **kwargs): return [float('<answer>'+a+'</answer>' in c[0]['content']) for c, a in zip(completions, answer)]
def format_reward(completions, **kwargs): return [float('<answer>' in c[0]['content']) for c in completions]
def make_structured_reward(variant):
    if variant not in ('safe', 'paper', 'seed'): raise ValueError(f"`variant` must be one of safe, paper, seed, got {variant!r}")
    def structured_reward(completions, **kwargs): return accuracy_reward(completions, **kwargs)
    return structured_reward
