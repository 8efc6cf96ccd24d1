// One request by one library, set up for no proxy: client.mjs LIBRARY URL.
// With Node.js, Deno or Bun. SDKs find the placeholder in their variable.
const [library, url] = process.argv.slice(2)
const { hostname: host, pathname: path } = new URL(url)

const text = async (stream) => {
  let all = ''
  for await (const chunk of stream) all += chunk
  return all
}
const load = async (name) => { const m = await import(name); return m.default ?? m }
const settled = (start) => new Promise((resolve, reject) => start(resolve, reject))
const messages = [{ role: 'user', content: 'Say squeak' }]
const once = { maxRetries: 0 }

const clients = {
  fetch: async () => (await fetch(url)).text(),
  https: async () => (await import('node:https')).get(url).on('response', (r) => r.resume()),
  'https-agent': async () => {
    const https = await import('node:https')
    https.get(url, { agent: new https.Agent({ keepAlive: false }) }, (r) => r.resume())
  },
  async http2() {
    const session = (await import('node:http2')).connect(`https://${host}`)
    const answer = await text(session.request({ ':path': path }))
    session.close()
    return answer
  },
  tls: async () => {
    const { connect } = await import('node:tls')
    return settled((resolve, reject) => {
      const socket = connect(443, host, { servername: host }, () => socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`))
      socket.on('error', reject)
      resolve(text(socket))
    })
  },
  axios: async () => (await load('axios')).get(url).then((r) => r.data),
  got: async () => (await load('got'))(url, { retry: { limit: 0 } }).text(),
  ky: async () => (await load('ky'))(url, { retry: 0 }).text(),
  needle: async () => (await load('needle'))('get', url).then((r) => r.body),
  'node-fetch': async () => (await (await load('node-fetch'))(url)).text(),
  request: async () => { const request = await load('request'); return settled((yes, no) => request(url, (e, _, body) => (e ? no(e) : yes(body)))) },
  superagent: async () => (await load('superagent')).get(url).then((r) => r.text),
  undici: async () => (await (await import('undici')).request(url)).body.text(),
  'undici-agent': async () => { const u = await import('undici'); return (await u.request(url, { dispatcher: new u.Agent() })).body.text() },
  async openai() {
    return new (await load('openai'))(once).models.list()
  },
  async 'openai-stream'() {
    const events = []
    for await (const e of await new (await load('openai'))(once).chat.completions.create({ model: 'lab-1', stream: true, messages })) events.push(e)
    return events.length
  },
  async anthropic() {
    return new (await load('@anthropic-ai/sdk'))(once).messages.create({ model: 'lab-1', max_tokens: 10, messages })
  },
  async octokit() {
    const { Octokit } = await import('octokit')
    return new Octokit({ auth: process.env.GITHUB_TOKEN }).request('GET /user')
  },
  async stripe() {
    return new (await load('stripe'))('authsome-proxy-managed', { maxNetworkRetries: 0 }).rawRequest('GET', path)
  },
  async genai() {
    const { GoogleGenAI } = await import('@google/genai')
    return new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY }).models.get({ model: 'lab-1' })
  },
  async aws() {
    const { S3Client, ListBucketsCommand } = await import('@aws-sdk/client-s3')
    const credentials = { accessKeyId: 'lab', secretAccessKey: 'lab' }
    return new S3Client({ region: 'us-east-1', endpoint: `https://${host}`, forcePathStyle: true, credentials, maxAttempts: 1 }).send(new ListBucketsCommand({}))
  },
  async slack() {
    const { WebClient } = await import('@slack/web-api')
    return new WebClient('authsome-proxy-managed', { retryConfig: { retries: 0 } }).api.test()
  },
  async ws() {
    const Socket = await load('ws')
    return socket(new Socket(`wss://${host}/ws`))
  },
  websocket: async () => socket(new WebSocket(`wss://${host}/ws`)),
  async 'ws-proxy-agent'() {
    const [Socket, { HttpsProxyAgent }] = [await load('ws'), await import('https-proxy-agent')]
    return socket(new Socket(`wss://${host}/ws`, { agent: new HttpsProxyAgent(process.env.HTTPS_PROXY) }))
  },
  async puppeteer() {
    const { launch } = await import('puppeteer-core')
    return page(await launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] }))
  },
  async playwright() {
    const { chromium } = await import('playwright-core')
    return page(await chromium.launch({ executablePath: '/usr/bin/chromium' }))
  },
  async grpc() {
    const grpc = await load('@grpc/grpc-js')
    const client = new grpc.Client(`${host}:443`, grpc.credentials.createSsl())
    const bytes = (b) => b
    return settled((yes) => client.makeUnaryRequest('/lab.Lab/Ask', bytes, bytes, Buffer.alloc(0), (e, answer) => yes(e ?? answer)))
  },
}

// Opened as a page, the browser asks for its icon, too, or does not get to it.
async function page(browser) {
  try {
    return await (await browser.newPage()).evaluate((address) => fetch(address, { mode: 'no-cors' }).then((r) => r.type), url)
  } finally {
    await browser.close()
  }
}

function socket(connection) {
  return settled((resolve, reject) => {
    connection.onopen = () => connection.close()
    connection.onerror = (e) => reject(e.error ?? e)
    connection.onclose = resolve
  })
}

console.log(String(await clients[library]()).slice(0, 200))
