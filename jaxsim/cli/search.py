"""Find the photos of an index most similar to some queries.

Scores are cosine similarities: 1 is the same picture. Whitened descriptors, the default
of 200 photos or more, put even similar pictures far below it; the scores of a
compressed index are approximate. With --rerank they are those of its last stage;
spatial adds 0.01 to the cosine for every point that fits, and those of --similarity may
exceed 1.
Results come as a table, as JSON, or as a page with pictures. Queries that cannot be
used are skipped, with reasons; if none is left, the exit code is 2.

With --store milvus a collection of Milvus is searched, and INDEX only says which model
describes the queries: an index, the folder of parts of `jaxsim embed`, or RUN/model.

examples:
  jaxsim search photos.index query.jpg
  jaxsim search photos.index a.jpg b.jpg --k 20 --html answer.html
  jaxsim search photos.index --folder queries/ --json answer.json
  jaxsim search photos.index query.jpg --rerank qe:10,spatial:50
  jaxsim search lists.index query.jpg --nprobe 32
  jaxsim search photos.index query.jpg --similarity runs/similarity --rerank learned:100
  jaxsim search photos.index query.jpg --graph runs/graph
  jaxsim search shop.parquet query.jpg --store milvus --uri shop.db --where "price < 20"
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    from jaxsim.cli.milvus import add_store
    from jaxsim.cli.options import add_rerank, html_file, json_file, positive

    parser.add_argument("index", type=Path, metavar="INDEX", help="folder of the index")
    parser.add_argument("queries", nargs="*", metavar="QUERY", help="image files")
    parser.add_argument("--folder", help="take all images of a folder as queries")
    parser.add_argument("--k", type=positive, default=10, help="results per query")
    add_rerank(parser)
    parser.add_argument(
        "--nprobe",
        type=positive,
        help="lists to look into, of an index with lists (ivfpq: 16 if not given); "
        "more find more and take longer",
    )
    parser.add_argument(
        "--json", type=json_file, metavar="FILE", help="write the results; - prints"
    )
    parser.add_argument(
        "--html", type=html_file, metavar="FILE", help="write a page with pictures"
    )
    add_store(parser).add_argument(
        "--where",
        metavar="CONDITION",
        help="which rows may be found, by the columns of the collection, as Milvus "
        "writes it: \"label == 'shoe' and price < 20\"",
    )


def run(options: argparse.Namespace) -> None:
    """Searches and shows the results in the form that was asked for."""
    from jaxsim.cli.milvus import place_of, refuse_options

    place = place_of(options)
    if place is None:
        refuse_options(options, ("where",), "goes with --store milvus only")
        _search_index(options)
    else:
        given = ("rerank", "similarity", "graph", "nprobe", "html")
        refuse_options(options, given, "does not go with --store milvus")
        _search_milvus(options, place)


def _search_index(options: argparse.Namespace) -> None:
    from jaxsim.cli.answers import open_queries, usable
    from jaxsim.cli.output import printable
    from jaxsim.experiment.graphs import open_graph, tell_changes
    from jaxsim.experiment.indexing import FEATURES_FOLDER, open_engine
    from jaxsim.experiment.reranking import build_stages
    from jaxsim.experiment.similarities import open_similarity
    from jaxsim.experiment.stage_names import asked_stages

    queries, unusable = open_queries(options)
    similarity = options.similarity and open_similarity(options.similarity)
    graph = options.graph and open_graph(options.graph)
    names = asked_stages(
        options.rerank,
        similarity=similarity is not None,
        graph=graph and graph.trained,
    )
    engine = open_engine(options.index, probes=options.nprobe)
    if graph is not None:
        graph.check_described_by(engine.embedder.model.fingerprint)
        store = engine.store
        tell_changes(graph.trained, store.take(store.live_ids), options.index)
    if similarity is not None:
        similarity.check_described_by(engine.embedder.model.fingerprint)
    stages = build_stages(
        names,
        queries=queries,
        database=engine.images if names else [],
        features_folder=options.index / FEATURES_FOLDER,
        contents=[row.content for row in engine.store.rows] if names else None,
        similarity=similarity and similarity.similarity(),
        graph=graph and graph.trained,
    )
    ranking, rejects = engine.search(queries, options.k, stages)
    skipped = [*unusable, *rejects]
    queries, ranking = usable(queries, ranking, rejects, skipped)
    reranked = ",".join(map(str, names)) or None

    def describe(i: int) -> dict[str, object]:
        row = engine.store.rows[i]
        return {"name": row.name, "label": row.label}

    about = {"index": str(options.index), "rerank": reranked}
    _show(options, queries, ranking, describe, about, skipped)
    if options.html:
        facts = {"re-ranked by": reranked} if reranked else {}
        if skipped:
            facts["queries skipped"] = ", ".join(printable(r.name) for r in skipped)
        _write_page(options.html, queries, ranking, engine, facts)


def _search_milvus(options: argparse.Namespace, place) -> None:
    import sys

    from jaxsim.cli.answers import open_queries, usable
    from jaxsim.experiment.milvus_collection import search_collection

    queries, unusable = open_queries(options)
    answer = search_collection(
        place, options.index, queries, options.k, where=options.where or ""
    )
    skipped = [*unusable, *answer.rejects]
    queries, ranking = usable(queries, answer.ranking, answer.rejects, skipped)
    about = {
        "index": place.shown,
        "collection": place.collection,
        "where": options.where,
    }
    if options.where and not answer.rows:
        print(f"no image passes --where {options.where!r}", file=sys.stderr)
    _show(options, queries, ranking, answer.rows.__getitem__, about, skipped)


def _show(options, queries, ranking, describe, about: dict, skipped) -> None:
    """Writes JSON if asked for, or prints tables if nothing else is."""
    from jaxsim.cli.answers import answers, print_tables
    from jaxsim.cli.output import write_json

    found = answers(queries, ranking, describe)
    if options.json:
        reasons = [{"name": r.name, "reason": r.reason} for r in skipped]
        write_json(options.json, {**about, "queries": found, "skipped": reasons})
    if not options.json and not options.html:
        print_tables(found)


def _write_page(path: str, queries, ranking, engine, facts: dict[str, str]) -> None:
    import sys

    from jaxsim.experiment.evaluate import describe_model
    from jaxsim.report.page import write_page
    from jaxsim.report.search_page import search_page

    page = search_page(
        queries,
        ranking,
        engine.images,
        title="Similar images",
        info={
            "index": str(engine.store.path),
            "images": str(len(engine.store)),
            "searched as": str(engine.store.kind),
            **facts,
            **describe_model(engine.embedder.model),
        },
    )
    write_page(path, page)
    print(f"page: {path}", file=sys.stderr)
