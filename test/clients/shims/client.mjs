// One request by one library that knows of no proxy: client.mjs CLIENT URL.
// With Node.js, Deno or Bun.
import { connect } from 'node:tls'
import { Worker, isMainThread, workerData } from 'node:worker_threads'

const [client, url] = isMainThread ? process.argv.slice(2) : workerData
const library = isMainThread ? client.slice(client.indexOf('-') + 1) : 'https'
const key = process.env.OPENAI_API_KEY
const headers = { 'Lab-Client': client, Authorization: `Bearer ${key}` }
const { hostname: host, port = 443, pathname: path } = new URL(url)

const text = async (stream) => {
  let all = ''
  for await (const chunk of stream) all += chunk
  return all
}

const clients = {
  fetch: async () => (await fetch(url, { headers })).text(),
  async https() {
    const https = await import('node:https')
    return new Promise((resolve, reject) => {
      https.get(url, { headers, agent: new https.Agent({ keepAlive: true }) }, (r) => resolve(text(r))).on('error', reject)
    })
  },
  async http2() {
    const { connect } = await import('node:http2')
    const session = connect(`https://${host}`)
    const stream = session.request({ ':path': path, 'lab-client': client, authorization: headers.Authorization })
    stream.on('error', (e) => { throw e })
    const answer = await text(stream)
    session.close()
    return answer
  },
  // A name that was imported before the shim could have replaced it.
  tls: () => new Promise((resolve, reject) => {
    const socket = connect(443, host, { servername: host, ALPNProtocols: ['http/1.1'] }, () => {
      const fields = Object.entries({ Host: host, Connection: 'close', ...headers }).map(([k, v]) => `${k}: ${v}\r\n`).join('')
      socket.write(`GET ${path} HTTP/1.1\r\n${fields}\r\n`)
    })
    socket.on('error', reject)
    resolve(text(socket))
  }),
  worker: () => new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: [client, url] })
    worker.on('message', resolve).on('error', reject)
  }),
  async got() {
    const { default: got } = await import('got')
    return got(url, { headers }).text()
  },
  async undici() {
    const { request, Agent } = await import('undici')
    const { body } = await request(url, { headers, dispatcher: new Agent() })
    return body.text()
  },
  async openai() {
    const { default: OpenAI } = await import('openai')
    const events = []
    const stream = await new OpenAI({ defaultHeaders: headers, maxRetries: 0 }).chat.completions.create({ model: 'lab-1', stream: true, messages: [] })
    for await (const event of stream) events.push(event)
    return `${events.length} events`
  },
  // The SDK has an agent of its own, which no variable reaches.
  async stripe() {
    const { default: Stripe } = await import('stripe')
    const stripe = new Stripe(key, { host, maxNetworkRetries: 0 })
    return JSON.stringify(await stripe.rawRequest('GET', path, undefined, { additionalHeaders: headers }))
  },
  async ws() {
    const { default: WebSocket } = await import('ws')
    const socket = new WebSocket(url.replace('https:', 'wss:'), { headers })
    return new Promise((resolve, reject) => {
      socket.on('open', () => socket.send('squeak')).on('error', reject)
      socket.on('message', (data) => { socket.close(); socket.on('close', () => resolve(`${data} and closed`)) })
    })
  },
}

const answer = await clients[library]()
if (isMainThread) console.log(answer)
else (await import('node:worker_threads')).parentPort.postMessage(answer)
