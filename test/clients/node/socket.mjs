// One websocket by one client library: node socket.mjs CLIENT URL.
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { HttpsProxyAgent } from 'https-proxy-agent'
import OpenAI from 'openai'
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import * as undici from 'undici'
import { WebSocket } from 'ws'

const [client, url] = process.argv.slice(2)
const agent = new HttpsProxyAgent(process.env.HTTPS_PROXY)
const headers = { Authorization: `Bearer ${process.env.OPENAI_API_KEY}`, 'Lab-Client': client }

// What a runtime has whose own WebSocket knows the proxy.
undici.setGlobalDispatcher(new undici.ProxyAgent(process.env.HTTPS_PROXY))
globalThis.WebSocket = undici.WebSocket

const digest = (data) => createHash('sha256').update(data).digest('hex')
const once = (socket, name) =>
  new Promise((resolve, reject) => {
    socket.addEventListener(name, resolve, { once: true })
    socket.addEventListener('error', (event) => reject(new Error(event.message ?? 'error')), { once: true })
  })

// Sends 1,000 messages of random sizes, text and binary, while their echoes come back.
async function echo(socket) {
  socket.binaryType = 'arraybuffer'
  await once(socket, 'open')
  const sent = []
  const received = []
  const all = new Promise((resolve, reject) => {
    socket.addEventListener('message', ({ data }) => {
      if (digest(typeof data === 'string' ? data : Buffer.from(data)) !== sent[received.length]) {
        reject(new Error(`message ${received.length} is another`))
      }
      if (received.push(data.length) === 1000) resolve()
    })
    socket.addEventListener('close', () => reject(new Error(`closed after ${received.length}`)))
  })
  for (let i = 0; i < 1000; i++) {
    const data = randomBytes(i % 100 === 0 ? 70000 : randomInt(2000))
    const message = i % 2 ? data : data.toString('hex')
    sent.push(digest(message))
    socket.send(message)
    if (i % 50 === 49) await new Promise((resolve) => setImmediate(resolve))
  }
  await all
  const closed = once(socket, 'close')
  socket.close(1000, 'done')
  const { code } = await closed
  return `${received.length} messages, closed with ${code}`
}

// A realtime session: each event is answered, and asked for by the one before.
function session(realtime, closed) {
  return new Promise((resolve, reject) => {
    let text = ''
    realtime.on('error', reject)
    realtime.on('session.created', () => realtime.send({ type: 'session.update', session: { instructions: 'squeak' } }))
    realtime.on('session.updated', () => realtime.send({ type: 'response.create' }))
    realtime.on('response.output_text.delta', (event) => {
      text += event.delta
      realtime.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [] } })
    })
    realtime.on('response.done', () => realtime.close())
    closed(() => resolve(text))
  })
}

const clients = {
  'ws-echo': () => echo(new WebSocket(url, { agent, headers })),
  'undici-echo': () => echo(new undici.WebSocket(url, { headers })),
  'openai-ws'() {
    const realtime = new OpenAIRealtimeWS({ model: 'lab-1', options: { agent, headers } }, new OpenAI())
    return session(realtime, (done) => realtime.socket.on('close', done))
  },
  'openai-websocket'() {
    const realtime = new OpenAIRealtimeWebSocket({ model: 'lab-1' }, new OpenAI())
    return session(realtime, (done) => realtime.socket.addEventListener('close', done))
  },
  // A page's way to say where it is.
  async 'ws-origin'() {
    const socket = new WebSocket(url, { agent, headers, origin: 'https://evil.example' })
    return await new Promise((resolve) => {
      socket.on('unexpected-response', (_, answer) => resolve(`${answer.statusCode} ${answer.headers['authsome-error']}`))
      socket.on('open', () => resolve('open'))
    })
  },
}

console.log(await clients[client]())
process.exit(0)
