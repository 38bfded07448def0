"""What is compared along the trainings."""

from qr.analyse.metrics import Metrics
from qr.analyse.views.training import training
from support import metrics as fixture


def test_a_distance_of_its_own_is_not_compared_with_the_controls(tmp_path):
    variants = ("baseline", "decoder", "qr", "qr-l1", "mine")
    found = training(Metrics(fixture.write_metrics(tmp_path, variants=variants)))
    assert set(found.distance["variant"]) == {"qr"}  # the others have y_hat as it is
    assert set(found.quality["variant"]) == {"decoder", "qr", "qr-l1", "mine"}
