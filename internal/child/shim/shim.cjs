// authsome run: TLS connections of Node.js, Deno and Bun go through the run's
// proxy, whatever library opens them. Most libraries on Node.js ignore proxy
// variables, so tls.connect is replaced: it asks the proxy for a tunnel with
// CONNECT and does its TLS inside. A connection that brings a socket of its own
// (an agent with a proxy), a local name and a host of NO_PROXY are left alone.
// Certificates are checked as ever. Browsers that a program drives are told of
// the run's keys. If anything here fails, nothing is changed.
'use strict';
try {
  const url = process.env.AUTHSOME_PROXY;
  const tls = url && require('tls');
  if (tls && !tls.connect[Symbol.for('authsome.shim')]) {
    install(tls, new URL(url));
    require('diagnostics_channel').subscribe('child_process', introduce);
  }
} catch { /* the program runs as it would without us */ }

// Chromium and its kin read certificates from no variable. One that a program
// drives has a profile of its own, and so takes the hashes of the keys that the
// run's certificates have. The channel costs nothing until a process is started.
function introduce({ process: child }) {
  const spawn = child.spawn;
  const flag = '--ignore-certificate-errors-spki-list=';
  child.spawn = function (options, ...rest) {
    try {
      const { args } = options;
      if (args.some((a) => /^--user-data-dir=/.test(a))) {
        const keys = require('fs').readFileSync(process.env.AUTHSOME_CA_FILE.replace(/[^/\\]*$/, 'spki.txt'), 'utf8');
        const own = args.findIndex((a) => a.startsWith(flag));
        if (own < 0) args.splice(1, 0, flag + keys);
        else args[own] += `,${keys}`;
      }
    } catch { /* it starts as it would without us */ }
    return spawn.call(this, options, ...rest);
  };
}

function install(tls, proxy) {
  const net = require('net');
  const { Duplex } = require('stream');
  const direct = tls.connect;
  const hostname = proxy.hostname.replace(/^\[|\]$/g, '');
  const secret = proxy.username && Buffer.from(`${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`).toString('base64');

  const local = (host) => /^(localhost|127(\.\d+){3}|::1|::ffff:127(\.\d+){3}|0\.0\.0\.0|::)$|\.localhost$/.test(host);
  const excluded = (host) => (process.env.NO_PROXY || '').toLowerCase().split(/[\s,]+/).some((entry) => {
    const name = entry.replace(/^\*?\.?/, '');
    return entry === '*' || (name && (host === name || host.endsWith('.' + name)));
  });

  // The arguments of tls.connect: (options), (port, host, options) or (port, options).
  function options(args) {
    const rest = args.filter((a) => a !== null && typeof a === 'object');
    const o = Object.assign({}, ...rest);
    if (typeof args[0] !== 'object' && /^\d+$/.test(args[0])) o.port = args[0];
    if (typeof args[1] === 'string') o.host = args[1];
    return o;
  }

  // A stream to host:port through the proxy. What is written waits for its
  // answer; the head of that is taken off what is read.
  function tunnel(host, port) {
    const raw = net.connect({ host: hostname, port: Number(proxy.port) });
    const target = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
    let open = false;
    let head = Buffer.alloc(0);
    let waiting = null;
    const stream = new Duplex({
      allowHalfOpen: false,
      read() { if (open) raw.resume(); },
      write(chunk, _, done) { if (open) raw.write(chunk, done); else waiting = () => raw.write(chunk, done); },
      final(done) { raw.end(done); },
      destroy(error, done) { raw.destroy(); done(error); },
    });
    const fail = (message, properties) => stream.destroy(Object.assign(new Error(message), { code: 'ERR_PROXY_TUNNEL' }, properties));
    const answered = (chunk) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 && head.length < 16384) return undefined;
      const text = head.toString('latin1', 0, end);
      const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(text) || [];
      if (status !== '200') {
        const [, code] = /\r\nauthsome-error: *([^\r]*)/i.exec(text) || [];
        return fail(`the proxy refused a tunnel to ${target}: ${status || 'no HTTP'}${code ? ` ${code}` : ''}`, { statusCode: Number(status) });
      }
      open = true;
      raw.removeListener('data', answered);
      raw.on('data', (data) => { if (!stream.push(data)) raw.pause(); });
      if (head.length > end + 4) stream.push(head.subarray(end + 4));
      if (waiting) waiting();
      return undefined;
    };
    raw.setNoDelay(true);
    raw.on('data', answered);
    raw.on('error', (error) => stream.destroy(error));
    let ended = false;
    raw.on('end', () => { ended = open; if (open) stream.push(null); else fail(`the proxy closed the tunnel to ${target}`); });
    raw.on('close', () => { if (!ended) stream.destroy(); }); // else what is buffered is still to be read
    raw.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${secret ? `Proxy-Authorization: Basic ${secret}\r\n` : ''}\r\n`);
    return { raw, stream };
  }

  function connect(...args) {
    const o = options(args);
    const host = String(o.host || 'localhost').toLowerCase().replace(/\.$/, '');
    if (o.socket || o.path || !o.port || local(host) || excluded(host)) return direct.apply(this, args);
    const { raw, stream } = tunnel(host, o.port);
    const name = o.servername === undefined && !net.isIP(host) ? { servername: host } : {};
    const callback = args.find((a) => typeof a === 'function');
    const socket = direct.call(this, { ...o, ...name, socket: stream }, ...(callback ? [callback] : []));
    // The program holds the TLS socket, but only the one below keeps a process
    // alive and has an address.
    for (const method of ['ref', 'unref', 'setNoDelay', 'setKeepAlive']) {
      socket[method] = (...a) => { raw[method](...a); return socket; };
    }
    for (const property of ['remoteAddress', 'remotePort', 'remoteFamily', 'localAddress', 'localPort']) {
      Object.defineProperty(socket, property, { configurable: true, get: () => raw[property] });
    }
    return socket;
  }
  Object.defineProperty(connect, Symbol.for('authsome.shim'), { value: true });
  tls.connect = connect;
  require('module').syncBuiltinESMExports?.();
}
