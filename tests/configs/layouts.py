"""A handful of images in the layout of each data set that configs read.

Images of one thing are nearly equal, so that every query finds its right answers first.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

BOXES = "boxes.csv"


def labelled(root: Path) -> None:
    for thing in ("cup", "hat", "bag"):
        for name in (f"train/{thing}/1", f"train/{thing}/2", f"test/{thing}/3"):
            save(root / f"{name}.jpg", thing=thing)
    save(root / "train/only/1.jpg", thing="only")
    rows = [
        (str(path.relative_to(root)), path.parent.name, path.parts[-3], "8 4 60 40")
        for path in sorted(root.rglob("*.jpg"))
    ]
    write_table(root / BOXES, ("path", "label", "split", "box"), rows)


def grocery(root: Path) -> None:
    rows = [
        (split, f"{split}/{label}_{i}.jpg", label)
        for split in ("train", "test")
        for label in (3, 5, 7, 50)
        for i in range(2)
    ]
    write_table(root / "images.csv", ("split", "path", "fine_class"), rows)
    for _, path, label in rows:
        save(root / path, thing=str(label))


def imagenet_sample(root: Path) -> None:
    rows = [(f"{label}.jpg", label) for label in (0, 7, 999)]
    write_table(root / "labels.csv", ("path", "class_index"), rows)
    for path, label in rows:
        save(root / path, thing=str(label))


def smvs(root: Path) -> None:
    for part in ("landmarks", "book_covers"):
        for name in ("a", "b", "c"):
            for role in ("query", "reference"):
                save(root / part / role / f"{name}.jpg", thing=f"{part} {name}")
    for name in ("p", "q"):
        save(root / "others" / f"{name}.jpg", thing=name)


def holidays(root: Path) -> None:
    for number in (100000, 100001, 100100, 100101, 100102):
        save(root / f"{number}.jpg", thing=str(number // 100))


def instre(root: Path) -> None:
    database = ["INSTRE-S1/01a/1.jpg", "INSTRE-M/01/2.jpg", "INSTRE-S2/02b/1.jpg"]
    query = {"name": "INSTRE-S1/01a/9.jpg", "ok": [0, 1], "junk": []}
    for name in [*database, query["name"]]:
        save(root / name, thing="other" if "02b" in name else "tower")
    write_truth(root / "truth.json", "instre", database, query)


def oxford_paris(root: Path) -> None:
    for name in ("a_1", "a_2", "a_3", "b_1"):
        save(root / "jpg" / f"{name}.jpg", thing=name[0])
    query = {"name": "a_1", "ok": [0, 1], "junk": [2]}
    write_truth(root / "truth.json", "oxford5k", ["a_1", "a_2", "a_3", "b_1"], query)
    query = {"name": "a_1", "easy": [0], "hard": [1], "junk": []}
    write_truth(root / "revisited.json", "roxford5k", ["a_2", "a_3", "b_1"], query)


def photo_views(root: Path) -> None:
    """Makes nothing: the data set makes its own images."""


def published(root: Path) -> None:
    """Descriptors without photos, beside two kinds of ground truth."""
    names = ["a_1", "a_2", "a_3", "b_1", "b_2"]
    graded = {"name": "q_1", "easy": [0], "hard": [1], "junk": [2]}
    plain = {"name": "q_1", "ok": [0, 1, 2], "junk": []}
    write_truth(root / "graded.json", "roxford5k", names, graded)
    write_truth(root / "plain.json", "instre", names, plain)
    random = np.random.default_rng(0)
    np.save(root / "X.npy", random.standard_normal((4, 5)).astype(np.float32))
    np.save(root / "Q.npy", random.standard_normal((4, 1)).astype(np.float32))


LAYOUTS: dict[str, Callable[[Path], None]] = {
    f"jaxsim.data.datasets.{make.__name__}": make
    for make in (
        labelled,
        grocery,
        imagenet_sample,
        smvs,
        holidays,
        instre,
        oxford_paris,
        photo_views,
    )
} | {"jaxsim.data.published": published}

OPTIONS = {
    "deepsim": ("", "collection=grocery,max_class=41"),
    "gss": ("", "collection=grocery"),
    "gss_instre": ("truth={root}/plain.json,index=X.npy,queries=Q.npy",),
    "gss_smvs": (
        "distractors={root}/others",
        "distractors={root}/others,graph=verified,queries=verified",
    ),
    "gss_roxford": ("truth={root}/graded.json,index=X.npy,queries=Q.npy",),
    "gss_rparis": ("truth={root}/graded.json,index=X.npy,queries=Q.npy",),
    "instre": ("truth={root}/truth.json",),
    "oxford_paris": (
        "truth={root}/truth.json",
        "revisited=True,truth={root}/revisited.json",
    ),
}
"""Options that a config cannot do without, by its name; each entry is run."""

DATA = {"dir_lite0_proposals": BOXES}
"""What --data names inside the folder that is made, where that is not the folder."""


def save(path: Path, *, thing: str) -> None:
    """Writes smooth noise that depends on the thing, and a little on the name."""
    seed = np.frombuffer(thing.encode(), np.uint8)
    noise = np.random.default_rng(seed).integers(30, 220, (6, 6, 3), np.uint8)
    light = len(str(path.name).encode()) % 3 + sum(path.name.encode()) % 5
    image = Image.fromarray(noise + np.uint8(light))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize((64, 64), Image.Resampling.BICUBIC).save(path, quality=95)


def write_table(path: Path, header, rows) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_truth(path: Path, dataset: str, database: list[str], query: dict) -> None:
    query = query | {"bbox_xyxy_px": [2, 2, 62, 62]}
    content = {"dataset": dataset, "database": database, "queries": [query]}
    path.write_text(json.dumps(content))
