"""What the tests of real clients share: a server with a shelf of small models, pictures of the command line to compare
with, and one line a check."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback

failed = []


def check(what, good, shown=""):
    print(f"ok - {what}" if good else f"not ok - {what} {shown}", flush=True)
    if not good:
        failed.append(what)


@contextlib.contextmanager
def part(name):
    """An exception is a failure of its part, and the next goes on."""
    print(f"# {name}", flush=True)
    try:
        yield
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        check(name, False, f"{type(error).__name__}: {error}")


def refuses(what, kind, call, *words):
    """call raises an exception of that kind, in which all the words are."""
    try:
        call()
    except kind as error:
        text = str(error)
        check(f"refused: {what}", all(word in text for word in words), text[:300])
    else:
        check(f"refused: {what}", False, "it was not")


class Server:
    """`latent serve` in a folder of its own, with a shelf."""

    SYNTHETIC = {
        "Stable-diffusion": ["tiny"],
        "ControlNet": ["tiny-control", "tiny-t2i"],
        "ESRGAN": ["tiny-esrgan-x2"],
    }

    def __init__(self, latent, source, *options):
        self.latent = os.path.realpath(latent)
        self.source = pathlib.Path(source).resolve()
        self.folder = tempfile.TemporaryDirectory()
        self.work = pathlib.Path(self.folder.name)
        self.options = options

    def __enter__(self):
        self.fill_shelf()
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()
        self.folder.cleanup()

    def run(self, *words):
        """The command line in that folder."""
        subprocess.run([self.latent, *map(str, words)], cwd=self.work, check=True, stdout=subprocess.DEVNULL)

    def fill_shelf(self):
        for kind, names in self.SYNTHETIC.items():
            (self.work / "models" / kind).mkdir(parents=True)
            for name in names:
                self.run("convert", "--synthetic", name, f"models/{kind}/{name}.safetensors")
        for kind, name in (("Lora", "blueprint"), ("embeddings", "noto-word")):
            (self.work / "models" / kind).mkdir()
            (self.work / "models" / kind / f"{name}.safetensors").symlink_to(self.source / "data" / f"{name}.safetensors")

    def start(self, *more):
        self.log = open(self.work / "log", "ab")
        words = [self.latent, "serve", "--port", "0", "--data", "data", "--models", "models", *self.options, *more]
        self.process = subprocess.Popen(words, cwd=self.work, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.url = self.process.stdout.readline().strip().rstrip("/")
        if not self.url:
            raise RuntimeError((self.work / "log").read_text())
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def picture(self, *words):
        """The bytes of a picture that the command line makes."""
        self.run(*words, "-q", "-o", "picture.png")
        return (self.work / "picture.png").read_bytes()


def wait_until(call, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        value = call()
        if value:
            return value
        time.sleep(0.02)
    return None
