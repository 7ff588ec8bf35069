"""Find the photos of an index most similar to some queries.

Scores are cosine similarities: 1 is the same picture. Whitened descriptors, the default
of 200 photos or more, put even similar pictures far below it; the scores of a
compressed index are approximate. With --rerank they are those of its last stage;
spatial adds 0.01 for every point that fits, and those of --similarity may exceed 1.
Results come as a table, as JSON, or as a page with pictures. Queries that cannot be
used are skipped, with reasons; if none is left, the exit code is 2.

examples:
  jaxsim search photos.index query.jpg
  jaxsim search photos.index a.jpg b.jpg --k 20 --html answer.html
  jaxsim search photos.index --folder queries/ --json answer.json
  jaxsim search photos.index query.jpg --rerank qe:10,spatial:50
  jaxsim search lists.index query.jpg --nprobe 32
  jaxsim search photos.index query.jpg --similarity runs/similarity --rerank learned:100
  jaxsim search photos.index query.jpg --graph runs/graph
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
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


def run(options: argparse.Namespace) -> None:
    """Searches and shows the results in the form that was asked for."""
    import sys

    from jaxsim.cli.output import printable, write_json
    from jaxsim.core.errors import InputError
    from jaxsim.core.ranking import Ranking
    from jaxsim.data.sources import open_sources
    from jaxsim.experiment.graphs import open_graph
    from jaxsim.experiment.indexing import FEATURES_FOLDER, open_engine
    from jaxsim.experiment.reranking import asked_stages, build_stages
    from jaxsim.experiment.similarities import open_similarity

    sources = [*options.queries, *([options.folder] if options.folder else [])]
    if not sources:
        raise InputError("give at least one query image, or --folder FOLDER")
    similarity = options.similarity and open_similarity(options.similarity)
    graph = options.graph and open_graph(options.graph)
    names = asked_stages(
        options.rerank,
        similarity=similarity is not None,
        graph=graph and graph.trained,
    )
    queries, unusable = open_sources(sources)
    engine = open_engine(options.index, probes=options.nprobe)
    if graph is not None:
        graph.check_described_by(engine.embedder.model.fingerprint)
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
    for reject in skipped:
        print(f"skipped {printable(reject.name)}: {reject.reason}", file=sys.stderr)
    if len(rejects) == len(queries):
        raise InputError("none of the queries can be used")
    usable = sorted(set(range(len(queries))) - {reject.id for reject in rejects})
    queries = [queries[row] for row in usable]
    ranking = Ranking(ranking.ids[usable], ranking.scores[usable])
    answers = _answers(queries, ranking, engine.store.rows)
    reranked = ",".join(map(str, names)) or None
    if options.json:
        found = {
            "index": str(options.index),
            "rerank": reranked,
            "queries": answers,
            "skipped": [{"name": r.name, "reason": r.reason} for r in skipped],
        }
        write_json(options.json, found)
    if options.html:
        facts = {"re-ranked by": reranked} if reranked else {}
        if skipped:
            facts["queries skipped"] = ", ".join(printable(r.name) for r in skipped)
        _write_page(options.html, queries, ranking, engine, facts)
    if not options.json and not options.html:
        _print_tables(answers)


def _answers(queries, ranking, rows) -> list[dict]:
    return [
        {
            "query": query.name,
            "path": str(query.content) if isinstance(query.content, Path) else None,
            "results": [
                {
                    "rank": rank,
                    "id": int(i),
                    "name": rows[i].name,
                    "label": rows[i].label,
                    "score": round(float(score), 6),
                }
                for rank, (i, score) in enumerate(zip(ids, scores, strict=True), 1)
                if i >= 0
            ],
        }
        for query, ids, scores in zip(queries, ranking.ids, ranking.scores, strict=True)
    ]


def _print_tables(answers: list[dict]) -> None:
    from jaxsim.cli.output import printable, table

    for answer in answers:
        print(printable(answer["query"]))
        rows = [
            [str(hit["rank"]), f"{hit['score']:.3f}", printable(hit["name"])]
            for hit in answer["results"]
        ]
        print(table(["rank", "score", "image"], rows), end="\n\n")


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
