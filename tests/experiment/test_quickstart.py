"""The quickstart leaves an index that can be looked at."""

from jaxsim.data.datasets import photo_views
from jaxsim.experiment.quickstart import index_views
from jaxsim.index.storage import IndexStore
from jaxsim.pipeline.search import stored_images
from tests.pipeline import tiny


def test_the_indexed_views_can_be_shown(tmp_path):
    folder = photo_views.prepare(tmp_path / "data", views=2, max_instances=1)
    index_views(tmp_path / "index", folder, tiny.model())
    images = stored_images(IndexStore.open(tmp_path / "index"))
    assert len(images) > 2
    assert all(image.label and image.read() for image in images)
