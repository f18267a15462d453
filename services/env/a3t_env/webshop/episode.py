"""An episode of WebShop as the env service plays it."""

from __future__ import annotations

from a3t_env.protocol import Outcome

from .game.page import Page
from .game.sampling import sample_action
from .game.session import Mode, ShopSession, ShopStep
from .game.shopper import Shopper
from .game.wishes import read_wishes

__all__ = ["WebShopEpisode"]


class WebShopEpisode:
    """One shopping session in an observation mode. The scripted shopper sees every page. Success is a reward of
    exactly 1.
    """

    def __init__(self, session: ShopSession, mode: Mode) -> None:
        self._session, self._mode = session, mode
        self._shopper = Shopper()

    @property
    def page(self) -> Page:
        """The present page, for players without a model."""
        return self._session.page

    def start(self) -> Outcome:
        """Start the episode; the observation is the search page."""
        self._session.reset()
        self._shopper = Shopper()
        self._shopper.see(self._session.page)
        return Outcome(self._session.observation(self._mode))

    def step(self, action: str) -> Outcome:
        """Carry out an action. An action that is not understood or not possible on this page changes nothing."""
        did = self._session.step(action)
        if did.valid:
            self._shopper.see(self._session.page, action)
        return self._outcome(did)

    def actions(self) -> list[str]:
        """Clicks in the order of the page; on the page with only a search bar, one search for the instruction."""
        return self._session.actions() or [f"search[{read_wishes(self._session.goal.instruction).query or 'products'}]"]

    def sample(self, seed: int, avoid: str | None = None) -> str:
        """See `sample_action`."""
        return sample_action(self._session, seed, avoid)

    def expert(self) -> str:
        """The action that the scripted shopper would take."""
        return self._shopper.next_action()

    def close(self) -> None:
        """Do nothing: the episode holds no resources."""

    def _outcome(self, did: ShopStep) -> Outcome:
        info = did.bought.parts() if did.bought else {}
        return Outcome(
            observation=self._session.observation(self._mode),
            reward=float(did.reward),
            done=did.done,
            success=did.done and did.reward == 1.0,
            valid=did.valid,
            info=info,
        )
