"""Brings an index up to date with a collection of images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxsim.core.environment import versions
from jaxsim.core.errors import InputError
from jaxsim.core.files import content_hash
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.records import Record, content_of
from jaxsim.data.rejects import Reject, write_rejects
from jaxsim.index.images import ImageFile
from jaxsim.index.kind import Kind
from jaxsim.index.storage import IndexStore
from jaxsim.index.update import Plan
from jaxsim.index.writer import IndexWriter
from jaxsim.pipeline.embed import Embedder

REJECTS_FILE = "rejects.csv"


@dataclass(frozen=True, kw_only=True)
class UpdateReport:
    """What an update did.

    Attributes:
      images: rows of the index afterwards.
      kept: files that had not changed.
      embedded: images that went through the network.
      reused: files that are new, renamed, relabelled or touched, but whose content was
        known already.
      removed: rows of files that are gone or changed.
      rejects: files that were skipped, with reasons.
      compilations: programs compiled or fetched from the compilation cache, those of
        a whitening's fit included.
      kind: how the index is searched, such as "pq:64".
      trained: whether that was trained in this run.
    """

    images: int
    kept: int
    embedded: int
    reused: int
    removed: int
    rejects: tuple[Reject, ...]
    compilations: int
    kind: str
    trained: bool


def update_index(
    path: Path,
    records: Sequence[Record],
    open_embedder: Callable[[], Embedder],
    *,
    source: str,
    kind: Kind | None = None,
    retrain: bool = False,
    rejects: Sequence[Reject] = (),
    bars: Bars = no_bars,
) -> UpdateReport:
    """Embeds new and changed images, drops removed ones, and commits in one step.

    Killed at any moment, the index is as before or as after; vectors computed so far
    are used by the next run. Contents that hold no usable image are remembered, and
    are tried again only by another version of jaxsim or of the decoder.

    Args:
      path: folder of an existing index.
      records: the collection as it is now.
      open_embedder: loads the index's model; called only if something must be embedded.
      source: where the collection is, for finding its pictures later.
      kind: how the index is to be searched; None leaves that as it is. Another kind
        than before is trained on the vectors, once they are committed; the same kind
        encodes new vectors with what was trained before.
      retrain: train the kind again.
      rejects: paths that never became records.
      bars: shows progress.

    Raises:
      InputError: no image can be used, another process is writing, or the disk is
        full; or there are too few vectors to train on, after they were committed.
      IndexFormatError: the index is damaged or of another model.
    """
    with bars("list", len(records), "files") as progress:
        files, unreadable = _list_files(records, progress)
    by_name = {record.name: record for record in records}
    with IndexWriter.open(path) as writer:
        remembered = _remembered(writer)
        plan = writer.plan(
            files, lambda file: _read_content(by_name[file.name]), rejected=remembered
        )
        _refuse_other_collection(writer, plan, source)
        skipped = [*rejects, *unreadable]
        skipped += [Reject(name=f.name, reason=why) for f, why in plan.unreadable]
        skipped += [
            Reject(name=file.name, reason=remembered[content])
            for file, content in plan.rejected
        ]
        embedder, broken = _embed(writer, plan, by_name, open_embedder, bars)
        skipped += [
            Reject(name=file.name, reason=broken[content].reason)
            for file, content in plan.found
            if content in broken
        ]
        added = sum(content not in broken for _, content in plan.found)
        if not len(plan.kept) and not added:
            write_rejects(path / REJECTS_FILE, skipped)
            raise InputError(
                f"none of the {len(records)} images in {source} can be used; see "
                f"{path / REJECTS_FILE} for the reasons"
            )
        lasting = {content: remembered[content] for _, content in plan.rejected} | {
            content: reject.reason
            for content, reject in broken.items()
            if reject.lasting
        }
        store = writer.commit(
            plan,
            skipped=broken,
            rejected=lasting,
            info={"source": source, "reader": _reader()},
        )
        write_rejects(path / REJECTS_FILE, skipped)
        before = store.manifest.compressed
        store = _compressed(writer, kind, retrain=retrain)
    after = store.manifest.compressed
    return UpdateReport(
        images=len(store),
        kept=len(plan.kept),
        embedded=len(plan.to_embed) - len(broken),
        reused=added - (len(plan.to_embed) - len(broken)),
        removed=len(plan.removed),
        rejects=tuple(skipped),
        compilations=len(embedder.compiled_shapes) if embedder else 0,
        kind="exact" if after is None else after.kind,
        trained=after is not None and after != before,
    )


def _compressed(writer: IndexWriter, kind: Kind | None, *, retrain: bool) -> IndexStore:
    """Trains the kind that is asked for, unless the index has it already."""
    if kind is None and not retrain:
        return writer.store
    wanted = kind or writer.store.kind
    if wanted == writer.store.kind and not retrain:
        return writer.store
    return writer.compress(wanted)


def _remembered(writer: IndexWriter) -> Mapping[str, str]:
    """Returns the contents that this reader rejected before, with reasons."""
    manifest = writer.store.manifest
    return manifest.rejected if manifest.info.get("reader") == _reader() else {}


def _reader() -> str:
    """Names what decides whether a file is a usable image."""
    return ", ".join(
        f"{name} {version}" for name, version in versions(("jaxsim", "pillow")).items()
    )


def _list_files(
    records: Sequence[Record], progress: Callable[[int], None]
) -> tuple[list[ImageFile], list[Reject]]:
    files, unreadable = [], []
    for record in records:
        try:
            files.append(_file_of(record))
        except OSError as error:
            reason = f"cannot be read: {error.strerror or error}"
            unreadable.append(Reject(name=record.name, reason=reason))
        progress(1)
    return files, unreadable


def _file_of(record: Record) -> ImageFile:
    """Returns what tells a changed image from an unchanged one.

    Images that are not files have no time of change; their content stands in for it.
    """
    if isinstance(record.content, Path):
        status = record.content.stat()
        size, changed = status.st_size, status.st_mtime_ns
    else:
        data = record.read()
        size, changed = len(data), int(content_hash(data)[:15], 16)
    return ImageFile(
        name=record.name, size_bytes=size, mtime_ns=changed, label=record.label
    )


def _read_content(record: Record) -> str:
    return content_of(record, record.read())


def _embed(
    writer: IndexWriter,
    plan: Plan,
    by_name: dict[str, Record],
    open_embedder: Callable[[], Embedder],
    bars: Bars,
) -> tuple[Embedder | None, dict[str, Reject]]:
    """Puts the vectors that are missing; returns the rejects by content."""
    if not plan.to_embed:
        return None, {}
    embedder, broken = open_embedder(), {}
    contents = [content for content, _ in plan.to_embed]
    chosen = [by_name[file.name] for _, file in plan.to_embed]
    with bars("embed", len(chosen)) as progress:

        def on_reject(reject: Reject) -> None:
            broken[contents[reject.id or 0]] = reject
            progress(1)

        for ids, vectors in embedder.describe(chosen, on_reject):
            for row, vector in zip(ids.tolist(), vectors, strict=True):
                writer.put(contents[row], vector)
            progress(len(ids))
    for content, file in plan.to_embed:
        if _changed(by_name[file.name], file):
            changed = Reject(name=file.name, reason="changed while it was read")
            broken[content] = changed
    return embedder, broken


def _changed(record: Record, file: ImageFile) -> bool:
    """Whether the hash may be of other bytes than those that were embedded."""
    try:
        return isinstance(record.content, Path) and _file_of(record) != file
    except OSError:
        return True


def _refuse_other_collection(writer: IndexWriter, plan: Plan, source: str) -> None:
    """Raises InputError if another folder would replace most of an index."""
    before = writer.store.manifest.info["source"]
    known = {row.content for row in writer.store.rows}
    shared = len(plan.kept) + sum(content in known for _, content in plan.found)
    if source != before and 2 * shared < len(writer.store):
        raise InputError(
            f"{source} has {shared} of the {len(writer.store)} images of this index, "
            f"which was made of {before}. Choose another --out for another collection"
        )
