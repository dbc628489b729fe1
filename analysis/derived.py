"""Figures derived from energy and latency: the energy-delay product E·t and its heavier sister E·t².

First-order propagation (JCGM 100, eq. 10): u²(E·tᵖ) = (tᵖ·u_E)² + (p·E·tᵖ⁻¹·u_t)². Energy and latency come from
different passes and from different instruments (meter and the board's own clock), so within a trial their errors are
independent. What does go together, a trial that is slow *and* costly because the board was hot, shows up between
trials: EDP is formed trial by trial, so that the scatter of the products over the repeats holds their covariance
without anyone having to state it.
"""

from __future__ import annotations

from dataclasses import replace

from analysis.uncertainty import Budget


def energy_delay(energy_j: float, latency_s: float, power: int = 1) -> float:
    """E·t (``power`` 1, in J·s) or E·t² (``power`` 2, in J·s²)."""
    return float(energy_j * latency_s**power)


def energy_delay_budget(energy_j: float, energy: Budget, latency_s: float, latency: Budget, power: int = 1) -> Budget:
    """The budget of :func:`energy_delay`: the energy's terms and the latency's, each with its sensitivity.

    Latency terms keep their names behind ``latency:``. No interval is claimed unless both inputs claim one.
    """
    of_energy = energy.scaled(latency_s**power).terms
    of_latency = latency.scaled(power * energy_j * latency_s ** (power - 1)).terms
    renamed = tuple(replace(term, name=f"latency: {term.name}") for term in of_latency)
    return Budget(of_energy + renamed, energy.claims and latency.claims)
