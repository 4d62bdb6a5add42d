"""Layers, coders and heads against golden numbers of DreamerV3 2025."""

import tensorflow as tf
from golden_files import assert_close

from planet_tf2.nets.symexp_two_hot import SymexpTwoHot, buckets


def check_two_hot(golden, run):
    logits, target = golden["in/logits"], golden["in/target"]
    assert_close(buckets(), golden["out/bins"])
    even = golden["out/even_bins"]
    assert_close(buckets(len(even)), even)

    def compute():
        with tf.GradientTape() as tape:
            tape.watch(given := tf.constant(logits))
            loss = -SymexpTwoHot(given).log_prob(target)
        gradient = tape.gradient(loss, given)
        return loss, gradient, SymexpTwoHot(given).mean()

    loss, gradient, mean = run(compute)
    assert_close(loss, golden["out/loss"])
    # A place between buckets is only known to 1e-6 of their distance.
    assert_close(gradient[:, ::17], golden["out/loss_grad"], 1e-5, 2e-6)
    assert_close(mean, golden["out/pred"], 1e-5, 1e-6 * buckets()[-1])


CHECKS = {"two_hot": check_two_hot}
