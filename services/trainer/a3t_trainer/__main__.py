"""`python -m a3t_trainer`: serve with settings from the environment."""

from a3t_contracts.service import serve

from .app import create_app
from .settings import TrainerSettings


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    settings = TrainerSettings()
    serve(create_app(settings), settings, "trainer")


if __name__ == "__main__":
    main()
