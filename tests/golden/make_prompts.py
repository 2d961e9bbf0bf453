#!/usr/bin/env python3
"""Records prompts/random.json beside it: what the web UI's own code makes of random prompts.

    make_prompts.py FORGE [COUNT [SEED]]            records COUNT (160) of each kind
    make_prompts.py FORGE --try LATENT COUNT SEED   compares LATENT prompt with it over COUNT new ones of each kind

FORGE is a checkout of stable-diffusion-webui-forge (modules/prompt_parser.py and backend/text_processing/parsing.py, which are A1111's
there). Needs lark 1.1.2, the version that both ask for. Its Earley parser walks Python's sets, whose order is another in each process:
each prompt is read in four processes, and one that is read in more than one way is left out (--try asks for one of them).

prompts/recorded.json and negative.json are prompts.json and prompts_negative.json of the project's shared recordings."""
import json, os, random, re, subprocess, sys, types

SEEDS = 4
WORDS = ["a", "b", "cat", "dog", " ", "x y", " z ", "é", "BREAK", "\n", "AND", "12"]
NUMBERS = ["0.5", "3", ".25", "1.0", "0", "7", "1.5", "-2", "+4", "1e1", "100", "2.", "1.2", "2.5e-1", "1.30", "0.35", "9", "10"]
KINDS = ["whole", "changed", "soup", "several"]


class Generator:
    def __init__(self, seed): self.r = random.Random(seed)

    def whole(self, depth=3):
        """Brackets that fit."""
        r = self.r; k = r.random(); inner = lambda: "" if r.random() < .12 else self.whole(depth - 1); space = lambda: r.choice(["", "", " "])
        if depth == 0 or k < .3: return r.choice(WORDS)
        if k < .5: return self.whole(depth - 1) + self.whole(depth - 1)
        if k < .6: return "(" + inner() + ")"
        if k < .68: return "(" + inner() + ":" + space() + r.choice(NUMBERS) + space() + ")"
        if k < .75: return "[" + inner() + "]"
        if k < .88: return "[" + (inner() + ":" if r.random() < .7 else "") + inner() + ":" + space() + r.choice(NUMBERS) + space() + "]"
        return "[" + "|".join(inner() for _ in range(r.randint(2, 4))) + "]"

    def changed(self):
        """The same with a character more, or less, or two."""
        t = list(self.whole())
        for _ in range(self.r.randint(1, 2)):
            i = self.r.randrange(len(t) + 1)
            if self.r.random() < .5 and i < len(t): del t[i]
            else: t.insert(i, self.r.choice("[]():|\\ ab1."))
        return "".join(t)

    def soup(self): return "".join(self.r.choice(["[", "]", "(", ")", ":", "|", "a", "b", " ", "0.5", "3", "\\", "\\(", "[", "]", ":"]) for _ in range(self.r.randint(1, 12)))

    def several(self):
        """AND, weights, networks."""
        end = lambda: self.r.choice(["", "", " :" + self.r.choice(NUMBERS), ":" + self.r.choice(NUMBERS) + " "])
        net = lambda: self.r.choice(["", "", "<lora:x:%s>" % self.r.choice(NUMBERS), "<lora:a b:te=.5:unet=%s>" % self.r.choice(NUMBERS), "<hypernet:h>", "<lora:x", "<é_1:a=b=c:d:e=>", "1<2>"])
        return self.r.choice([" AND ", "AND", " AND\n", "ANDY"]).join(self.whole(2) + net() + end() for _ in range(self.r.randint(1, 3)))

    def make(self, kind, count):
        texts = []
        while len(texts) < count:
            t = getattr(self, kind)()
            if 0 < len(t) < 60 and t not in texts: texts.append(t)
        return texts


# ---- The web UI's code ----

def web_ui(forge):
    sys.modules["torch"] = types.ModuleType("torch")
    for name, path in ("prompt_parser", "modules"), ("parsing", "backend/text_processing"): sys.path.insert(0, os.path.join(forge, path))
    import prompt_parser, parsing
    return prompt_parser, parsing


NETWORK = re.compile(r"<(\w+):([^>]+)>")  # extra_networks.py


def take_networks(prompt):
    found = {}
    def take(m): found.setdefault(m.group(1), []).append(m.group(2).split(":")); return ""
    clean = NETWORK.sub(take, prompt); rows = []
    for kind, all in found.items():
        for items in all:
            parts = [i.split("=", 2) for i in items]
            rows.append([kind, [i for i, p in zip(items, parts) if len(p) != 2], {p[0]: p[1] for p in parts if len(p) == 2}])
    return clean, rows


def read(ui, text):
    pp, parsing = ui; clean, networks = take_networks(text); indexes, flat, _ = pp.get_multicond_prompt_list([clean]); seen = {}; parts = []
    for i, weight in indexes[0]:
        schedule = {"10": pp.get_learned_conditioning_prompt_schedules([flat[i]], 10)[0], "hires10of20": pp.get_learned_conditioning_prompt_schedules([flat[i]], 20, 10)[0]}
        used = {n: [next((j for j, (end, _) in enumerate(s) if k <= end), 0) for k in range(10)] for n, s in schedule.items()}
        parts.append(dict(weight=weight, schedule=schedule, used=used))
        for s in schedule.values():
            for _, t in s: seen[t] = parsing.parse_prompt_attention(t, "Original")
    return dict(text=text, clean=clean, networks=networks, parts=parts, attention=seen)


def read_all(forge, texts):
    ui = web_ui(forge); rows = []
    for t in texts:
        try: rows.append(read(ui, t))
        except (ValueError, OverflowError, RecursionError): rows.append(None)  # where that UI stops with an error
    return rows


def in_four(forge, texts):
    """For each text the readings of four processes, without those that are alike."""
    runs = [subprocess.run([sys.executable, __file__, forge, "--read"], input=json.dumps(texts), capture_output=True, text=True, check=True, env=dict(os.environ, PYTHONHASHSEED=str(s))) for s in range(SEEDS)]
    return [[json.loads(x) for x in sorted({json.dumps(r, sort_keys=True) for r in rows})] for rows in zip(*(json.loads(r.stdout) for r in runs))]


# ---- Latent ----

def steps_of(row, name): return [[dict(weight=p["weight"], text=t, attention=row["attention"][t]) for p in row["parts"] for t in [p["schedule"][name][p["used"][name][k]][1]]] for k in range(10)]


def ask(latent, texts, *options):
    out = subprocess.run([latent, "prompt", "--steps", "10", *options, "--"] + ["@" * t.startswith("@") + t for t in texts], capture_output=True, check=True)
    return [json.loads(line) for line in out.stdout.decode().splitlines()]


def compare(latent, texts, readings):
    told = [ask(latent, texts), ask(latent, texts, "--steps-before", "20")]; same = several = wrong = 0
    for text, rows, *got in zip(texts, readings, *told):
        if None in rows: continue
        fits = [all(g["steps"] == steps_of(r, n) for g, n in zip(got, ("10", "hires10of20"))) and got[0]["clean"] == r["clean"] and got[0]["networks"] == r["networks"] for r in rows]
        same += any(fits); several += len(rows) > 1; wrong += not any(fits)
        if not any(fits): print(repr(text), "\n    is", got[0]["steps"], "\n    not", [steps_of(r, "10") for r in rows])
    print("%d the same (%d of them one of several readings), %d not" % (same, several, wrong))
    return wrong


def main(forge, *rest):
    if rest[:1] == ("--read",): return print(json.dumps(read_all(forge, json.load(sys.stdin))))
    if rest[:1] == ("--try",):
        g = Generator(int(rest[3])); texts = [t for k in KINDS for t in g.make(k, int(rest[2]))]
        sys.exit(bool(compare(rest[1], texts, in_four(forge, texts))))
    count, seed = [int(x) for x in rest] + [160, 1][len(rest):]; g = Generator(seed)
    texts = [t for k in KINDS for t in g.make(k, count)]
    rows = [r[0] for r in in_four(forge, texts) if len(r) == 1 and r[0]]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "prompts", "random.json")
    with open(path, "w") as f: f.write("[\n" + ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows) + "\n]\n")
    print(path, len(rows), "of", len(texts), os.path.getsize(path))


if __name__ == "__main__": main(*sys.argv[1:])
