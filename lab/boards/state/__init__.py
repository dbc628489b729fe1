"""The state that a board with Linux is in: what it is, how fast it runs, how warm it is, and whether that changed.

Everything is asked through one :data:`instruments.commands.RunCommand`, so that this machine, a board behind SSH and an
emulated one are treated alike. Begin at :class:`lab.boards.state.board_state.BoardState`.
"""
