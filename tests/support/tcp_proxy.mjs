// A way to a server of this machine that a test can cut: connections break or hang, new ones are refused or answered by nobody.
import net from 'node:net';

export class TcpProxy {
  static async start(port) {
    const proxy = new TcpProxy();
    proxy.sockets = new Set();
    proxy.open = true;
    proxy.server = net.createServer((client) => {
      if (!proxy.open) return client.destroy();
      const server = net.connect(port, '127.0.0.1');
      for (const socket of [client, server]) {
        proxy.sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          proxy.sockets.delete(socket);
          client.destroy();
          server.destroy();
        });
      }
      client.pipe(server).pipe(client);
    });
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  /** Break all connections and let no new one through. */
  cut() {
    this.open = false;
    for (const socket of this.sockets) socket.destroy();
  }

  /** Let nothing through any more without telling anybody, as when a cable is out. */
  freeze() {
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  mend() {
    this.open = true;
  }

  stop() {
    this.cut();
    this.server.close();
  }
}
