"""Mean regret of Optuna's TPE sampler over a measured table of settings.

Reads {"points": [{"settings": {...}, "rate": r}], "today": {...}, "noise": sd, "trials": [n, ...]}, prints one number.
Each study has so many trials, one seed each; today's settings are its first trial. A trial shows
its point's rate with so much relative noise, and the highest that was seen is taken. Each knob is a categorical or
a number on a logarithmic scale, as a user would declare it; a combination that the table lacks takes the nearest one's rate.
"""

import json
import math
import random
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
question = json.load(sys.stdin)
points = question["points"]
values = {knob: {p["settings"].get(knob) for p in points} for knob in points[0]["settings"]}
moving = {knob: sorted(v, key=str) for knob, v in values.items() if len(v) > 1}


def distance(asked, point):
    total = 0.0
    for knob, value in asked.items():
        other = point["settings"].get(knob)
        if isinstance(value, str) or isinstance(other, str):
            total += value != other
        else:
            total += abs(math.log((value + 1) / (other + 1)))
    return total


def ask(trial):
    asked = {}
    for knob, known in moving.items():
        if any(isinstance(v, str) for v in known):
            asked[knob] = trial.suggest_categorical(knob, known)
        else:
            low, high = min(known), max(known)
            asked[knob] = trial.suggest_int(knob, max(low, 1), high, log=True)
    return min(points, key=lambda p: distance(asked, p))["rate"]


best = max(p["rate"] for p in points)
first = min(points, key=lambda p: distance(question["today"], p))
regrets = []
for seed, trials in enumerate(question["trials"]):
    noise = random.Random(seed)
    seen = []

    def objective(trial):
        rate = ask(trial)
        shown = rate * math.exp(question["noise"] * noise.gauss(0, 1))
        seen.append((shown, rate))
        return shown

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({knob: first["settings"][knob] for knob in moving})
    study.optimize(objective, n_trials=trials)
    regrets.append(1 - max(seen)[1] / best)
print(sum(regrets) / len(regrets))
