"""A terminal program in tmux: type into it, and wait until its screen shows something."""
import asyncio
import os
import shutil
import tempfile

from report import Failure

WAIT_LIMIT = 20   # seconds until the screen must show what is waited for


class Terminal:
    """One program in a tmux server of its own, with a home folder of its own."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="indaba-terminal-")
        self.screen = ""
        self._output = None

    async def _tmux(self, *arguments):
        tmux = await asyncio.create_subprocess_exec(
            "tmux", "-f", "/dev/null", "-S", f"{self.home}/tmux", *arguments,
            env=dict(os.environ, HOME=self.home, TERM="screen-256color", LC_ALL="C.UTF-8", XDG_CONFIG_HOME=f"{self.home}/config",
                     XDG_DATA_HOME=f"{self.home}/data"),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        output, _ = await tmux.communicate()
        if tmux.returncode:
            raise Failure(f"tmux {arguments[0]}: {output.decode(errors='replace')}")
        return output.decode(errors="replace")

    async def start(self, *command):
        """Every byte that the program writes also goes into a pipe: that is the event that a wait looks for."""
        pipe = f"{self.home}/output"
        os.mkfifo(pipe)
        self._output = asyncio.StreamReader()
        descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._output), os.fdopen(descriptor, "rb", 0))
        await self._tmux("new-session", "-d", "-x", "150", "-y", "50", "-e", "TERM=screen-256color", "cat")
        await self._tmux("pipe-pane", f"cat > {pipe}")
        await self._tmux("set-option", "remain-on-exit", "on")
        await self._tmux("respawn-pane", "-k", *command)
        return self

    async def type(self, *lines):
        for line in lines:
            await self._tmux("send-keys", "-l", "--", line)
            await self._tmux("send-keys", "Enter")

    async def wait_for(self, what, holds, colours=False):
        """Waits until `holds(screen)`; the screen is read anew whenever the program has written something."""
        async def shown():
            while True:
                self.screen = await self._tmux("capture-pane", "-p", *(["-e"] if colours else []))
                if holds(self.screen):
                    return self.screen
                await self._output.read(65536)
        try:
            return await asyncio.wait_for(shown(), WAIT_LIMIT)
        except asyncio.TimeoutError:
            lines = [line.strip() for line in self.screen.splitlines() if line.strip()]
            raise Failure(f"waited {WAIT_LIMIT} s for {what}; the screen shows: {' | '.join(lines)}") from None

    async def wait_for_text(self, *texts):
        return await self.wait_for(repr(texts), lambda screen: all(text in screen for text in texts))

    async def close(self):
        try:
            await self._tmux("kill-server")
        except Failure:
            pass    # it has ended by itself
        shutil.rmtree(self.home, ignore_errors=True)
