"""A TCP proxy that does to a connection what a network may do: cut it inside a message, delay it, flip a
byte or the address of a message. Faults are asked for and counted when they have landed, so a test
knows that it tested them."""
import socket
import struct
import threading
import time


class MessageStream:
    """Cuts what it is fed into the messages of CAF's protocol: a header of 32 bytes, whose bytes 4 to 7
    are the size of what follows and whose last 8 are the actor it is for."""

    HEADER = 32

    def __init__(self):
        self._rest = b""

    def feed(self, chunk):
        """The messages that are whole by now, headers included."""
        self._rest += chunk
        messages = []
        while len(self._rest) >= self.HEADER:
            size = self.HEADER + struct.unpack(">I", self._rest[4:8])[0]
            if len(self._rest) < size:
                break
            messages.append(self._rest[:size])
            self._rest = self._rest[size:]
        return messages


class Connection:
    """Its two ends at the proxy: the one that was dialled, and the one that dials the target."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self.is_half = False  # One end was cut, which the other one is not told.

    def close(self, *ends):
        for end in ends or (self.near, self.far):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # The other side was faster.


class TcpProxy:
    """Listens on 127.0.0.1:`port` and passes on to `target`, an (address, port) set later."""

    CHUNK = 64 * 1024

    def __init__(self):
        self.target = None
        self.landed = 0
        self.delay_s = 0
        self._lock = threading.Lock()
        self._flip = None
        self._cut = None
        self._strike = None
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        self.cut()

    # -- faults --

    def flip_byte_of(self, text):
        """The next chunk that contains `text` has the lowest bit of its first byte turned over."""
        with self._lock:
            self._flip = text

    def cut_inside(self, text):
        """The next chunk that contains `text` ends in the middle of it, and with it the connection."""
        with self._lock:
            self._cut = text

    def lose_message_of(self, text):
        """The next message whose body contains `text` goes to an actor that does not exist."""
        with self._lock:
            self._strike = (text, MessageStream.HEADER - 4, 0x40)

    def flip_header_of(self, text, at):
        """The next message whose body contains `text` has the lowest bit of a byte of its header flipped."""
        with self._lock:
            self._strike = (text, at, 1)

    def damage_message_of(self, text):
        """The next message whose body contains `text` ends with another byte."""
        with self._lock:
            self._strike = (text, -1, 1)

    def cut(self):
        """Ends every connection there is."""
        for connection in self._take_connections():
            connection.close()

    def cut_for_one(self, dialler):
        """The connections there are end for the side that dialled, or for the one that listens; the other
        one sees them stay, and silent."""
        for connection in self._take_connections():
            connection.is_half = True
            connection.close(connection.near if dialler else connection.far)
            self.landed += 1

    def _take_connections(self):
        with self._lock:
            connections, self._open = self._open, set()
        return connections

    # -- passing on --

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # Closed: the test is over.
            try:
                far = socket.create_connection(self.target, timeout=5)
            except (OSError, TypeError):
                near.close()
                continue
            far.settimeout(None)
            connection = Connection(near, far)
            with self._lock:
                self._open.add(connection)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(connection, source, sink), daemon=True).start()

    def _pump(self, connection, source, sink):
        stream = MessageStream()
        try:
            while chunk := source.recv(self.CHUNK):
                chunk = b"".join(self._struck(message) for message in stream.feed(chunk))
                chunk, goes_on = self._spoil(chunk)
                if self.delay_s:
                    time.sleep(self.delay_s)
                if connection.is_half:
                    continue  # Nobody hears it.
                sink.sendall(chunk)
                if not goes_on:
                    break
        except OSError:
            pass  # One end is gone: so is the connection.
        if not connection.is_half:
            connection.close()

    def _struck(self, message):
        with self._lock:
            if self._strike is None or self._strike[0] not in message[MessageStream.HEADER:]:
                return message
            _, at, mask = self._strike
            self._strike = None
            self.landed += 1
        struck = bytearray(message)
        struck[at] ^= mask
        return bytes(struck)

    def _spoil(self, chunk):
        """What is passed on of the chunk, and whether the connection lives on."""
        with self._lock:
            if self._flip is not None and self._flip in chunk:
                at = chunk.index(self._flip)
                self._flip = None
                self.landed += 1
                return chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1:], True
            if self._cut is not None and self._cut in chunk:
                at = chunk.index(self._cut)
                self._cut = None
                self.landed += 1
                return chunk[:at + 1], False
        return chunk, True
