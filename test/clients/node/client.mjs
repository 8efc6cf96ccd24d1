// One request by one client library: node client.mjs CLIENT URL. The URL names
// the host; SDKs choose the path.
import axios from 'axios'
import OpenAI from 'openai'
import { fetch, ProxyAgent } from 'undici'

const [client, url] = process.argv.slice(2)
const key = process.env.OPENAI_API_KEY
const fields = { 'Lab-Client': client }

// As openai's documentation has it for proxies.
function sdk() {
  const dispatcher = new ProxyAgent(process.env.HTTPS_PROXY)
  return new OpenAI({ fetch, fetchOptions: { dispatcher }, defaultHeaders: fields, maxRetries: 0 })
}

const clients = {
  async 'node-axios'() {
    const answer = await axios.get(url, { headers: { ...fields, Authorization: `Bearer ${key}` } })
    return JSON.stringify(answer.data)
  },
  async 'node-openai'() {
    const ids = []
    for await (const model of sdk().models.list()) ids.push(model.id)
    return ids.join()
  },
  async 'node-openai-stream'() {
    let events = 0
    const stream = await sdk().chat.completions.create({ model: 'lab-1', stream: true, messages: [] })
    for await (const _ of stream) events++
    return `${events} events`
  },
}

console.log(await clients[client]())
