"""Fit the regressor of `restoration.assess`: noise and blur from a photograph's statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restoration.assess import spectrum
from restoration.assess.scales import BLUR_SCALE, NOISE_SCALE, Scale
from restoration.assess.statistics import LENGTH, photo_statistics
from restoration.networks.statistics_regressor import (
    Ensemble,
    StatisticsRegressor,
    StatisticsRegressorConfig,
)
from restoration.training.assess_samples import draw_sample
from restoration.training.degradations import Byte

Double = NDArray[np.float64]

VARIANCE_FACTORS = tuple(float(factor) for factor in np.geomspace(0.25, 4, 25))
"""Among which calibration chooses."""

SMALLEST_SPREAD = 0.05
"""Statistics that hardly vary among the samples are not blown up when standardised."""


@dataclass(frozen=True)
class StatisticsSet:
    """Statistics of degraded photographs and what was done to them.

    Attributes:
        statistics: (N, `LENGTH`).
        noise_sigma: (N,) true noise, 8-bit units.
        blur_sigma: (N,) true blur, pixels; nan where it is not known.
    """

    statistics: Double
    noise_sigma: Double
    blur_sigma: Double


@dataclass(frozen=True)
class FittingOptions:
    """How one ensemble is fitted.

    Attributes:
        epochs: passes over the samples.
        input_noise: standard deviation of the noise on the standardised statistics: ten thousand
            samples are few.
        batch: samples per step and member.
        learning_rate: AdamW's peak; falls to zero along a cosine.
        weight_decay: AdamW's.
    """

    epochs: int
    input_noise: float
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2


NOISE_FITTING = FittingOptions(epochs=120, input_noise=0.1)
BLUR_FITTING = FittingOptions(epochs=60, input_noise=0.2)
"""Blur is seen less clearly, and longer fitting learns the samples by heart."""


def measure(
    photos: Sequence[Byte], count: int, seed: int, tick: Callable[[], None] = lambda: None
) -> StatisticsSet:
    """Degrade random parts of photographs and measure their statistics.

    Args:
        photos: clean, (H, W, 3) R'G'B'.
        count: how many parts.
        seed: of everything that is drawn.
        tick: called after each part.
    """
    rows: list[Double] = []
    truths: list[tuple[float, float]] = []
    index = 0
    while len(rows) < count:
        rng = np.random.default_rng([seed, index])
        index += 1
        sample = draw_sample(photos[int(rng.integers(len(photos)))], rng)
        found = photo_statistics(sample.image)
        if found is not None:
            rows.append(found.values)
            blur_sigma = sample.blur_sigma if found.has_edges else math.nan
            truths.append((sample.noise_sigma, blur_sigma))
            tick()
    noise, blur = np.array(truths).T
    return StatisticsSet(np.stack(rows), noise, blur)


def fit(
    data: StatisticsSet,
    noise_options: FittingOptions = NOISE_FITTING,
    blur_options: FittingOptions = BLUR_FITTING,
    seed: int = 0,
) -> StatisticsRegressor:
    """Fit a regressor: noise from the statistics of the blocks, blur from all.

    Blur from those of the edges alone is off by half as much again below 1.6 px.
    """
    torch.manual_seed(seed)
    config = StatisticsRegressorConfig(starts=(0, 0), stops=(spectrum.LENGTH, LENGTH))
    network = config.build()
    inputs = torch.from_numpy(data.statistics).float()
    jobs = (
        (NOISE_SCALE.to_scale(data.noise_sigma), noise_options),
        (BLUR_SCALE.to_scale(data.blur_sigma), blur_options),
    )
    for ensemble, (truth, options) in zip(network.ensembles, jobs, strict=True):
        assert isinstance(ensemble, Ensemble)
        known = ~np.isnan(truth)
        _fit_ensemble(ensemble, inputs[known], torch.from_numpy(truth[known]).float(), options)
    return network.eval().requires_grad_(False)


def _fit_ensemble(
    ensemble: Ensemble, inputs: Tensor, truth: Tensor, options: FittingOptions
) -> None:
    own = inputs[:, ensemble.range]
    spread = own.std(0).clamp(min=SMALLEST_SPREAD)
    with torch.no_grad():
        ensemble.centre.copy_(own.mean(0))
        ensemble.spread.copy_(spread)
    trained = [parameter for parameter in ensemble.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, options.learning_rate, weight_decay=options.weight_decay)
    noise = torch.zeros(inputs.shape[1])
    noise[ensemble.range] = options.input_noise * spread
    steps = options.epochs * max(1, len(inputs) // options.batch)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        # Every member sees samples of its own, so that their disagreement means something.
        chosen = torch.randint(len(inputs), (len(ensemble.weights[0]), options.batch))
        batch = inputs[chosen]
        batch = batch + noise * torch.randn_like(batch)
        loss = _loss(*ensemble.members(batch), truth[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _loss(mean: Tensor, log_variance: Tensor, truth: Tensor) -> Tensor:
    """Gaussian negative log likelihood, each sample weighted by its predicted deviation.

    The weight (beta = 0.5 of Seitzer et al., "On the Pitfalls of Heteroscedastic Uncertainty
    Estimation", ICLR 2022) keeps samples that are hard at first from being given up. Members are
    summed, so that each learns as if it were alone.
    """
    error = 0.5 * (log_variance + (mean - truth).square() / log_variance.exp())
    weight = (0.5 * log_variance.detach()).exp()
    return (weight * error).mean(dim=1).sum()


def calibrate(network: StatisticsRegressor, held_out: StatisticsSet) -> tuple[float, ...]:
    """Scale the variances so that the confidences come true on photographs not fitted on.

    For noise and blur each the factor under which the events "within tolerance" are likeliest:
    the temperature scaling of Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
    for an interval instead of classes.

    Returns:
        The factors.
    """
    with torch.inference_mode():
        found = network(torch.from_numpy(held_out.statistics).float()).double().numpy()
    factors = tuple(
        _variance_factor(scale, found[:, index], truth)
        for index, (scale, truth) in enumerate(
            ((NOISE_SCALE, held_out.noise_sigma), (BLUR_SCALE, held_out.blur_sigma))
        )
    )
    with torch.no_grad():
        for ensemble, factor in zip(network.ensembles, factors, strict=True):
            assert isinstance(ensemble, Ensemble)
            ensemble.variance_scale.mul_(factor)
    return factors


def _variance_factor(scale: Scale, found: Double, truth: Double) -> float:
    """The likeliest of `VARIANCE_FACTORS` for means and variances `found` (N, 2)."""
    known = ~np.isnan(truth)
    likelihoods = []
    for factor in VARIANCE_FACTORS:
        likelihood = 0.0
        for (mean, variance), sigma in zip(found[known], truth[known], strict=True):
            estimate = scale.estimate(float(mean), float(factor * variance))
            is_near = abs(estimate.sigma - sigma) <= scale.tolerance(float(sigma))
            sure = estimate.confidence if is_near else 1 - estimate.confidence
            likelihood += math.log(max(sure, 1e-3))
        likelihoods.append(likelihood)
    return VARIANCE_FACTORS[int(np.argmax(likelihoods))]
