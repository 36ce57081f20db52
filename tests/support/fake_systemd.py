"""A tiny systemd for tests: run a program as systemd runs a service of Type=notify with a watchdog.

    fake_systemd.py SECONDS COMMAND…

Kills the program's main process, and nothing else, with SIGKILL when no WATCHDOG=1 came for SECONDS, and starts it again, as
Restart=always does. Prints one line for each event: "start PID", a message it got, "silent PID", "end PID STATUS".
SIGTERM is passed on; then it ends with the program.
"""
import ctypes, os, select, signal, socket, subprocess, sys, tempfile, time

limit = float(sys.argv[1])
stopping = False


def say(*words):
    print(*words, flush=True)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a test that is killed leaves nothing behind


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "notify")
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(path)
    while not stopping:
        child = subprocess.Popen(sys.argv[2:], preexec_fn=die_with_parent, env={**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(int(limit * 1e6))})
        say("start", child.pid)

        def stop(*_):
            global stopping
            stopping = True
            child.send_signal(signal.SIGTERM)

        signal.signal(signal.SIGTERM, stop)
        fed = None  # the watchdog begins with READY=1
        while child.poll() is None:
            if select.select([server], [], [], 0.05)[0]:
                for message in server.recv(65536).decode().split("\n"):
                    say(message)
                    if message in ("READY=1", "WATCHDOG=1"):
                        fed = time.monotonic()
                    if message == "STOPPING=1":
                        fed = None
            if fed is not None and time.monotonic() - fed > limit:
                say("silent", child.pid)
                child.kill()
                fed = None
        say("end", child.pid, child.returncode)
