// One request by one client library: node client.mjs CLIENT [URL]. SDKs know
// theirs.
import Anthropic from '@anthropic-ai/sdk'
import axios from 'axios'
import OpenAI from 'openai'
import { fetch, ProxyAgent } from 'undici'

const [client, url] = process.argv.slice(2)
const key = process.env.OPENAI_API_KEY
const fields = { 'Lab-Client': client }

// As the SDKs' documentation has it for proxies.
function sdk(Client = OpenAI) {
  const dispatcher = new ProxyAgent(process.env.HTTPS_PROXY)
  return new Client({ fetch, fetchOptions: { dispatcher }, defaultHeaders: fields, maxRetries: 0 })
}

const messages = [{ role: 'user', content: 'Say squeak' }]

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
  async 'node-openai-chat'() {
    const answer = await sdk().chat.completions.create({ model: 'lab-1', messages })
    return answer.choices[0].message.content
  },
  async 'node-anthropic'() {
    const answer = await sdk(Anthropic).messages.create({ model: 'lab-1', max_tokens: 10, messages })
    return answer.content[0].text
  },
  async 'node-openai-stream'() {
    let events = 0
    const stream = await sdk().chat.completions.create({ model: 'lab-1', stream: true, messages: [] })
    for await (const _ of stream) events++
    return `${events} events`
  },
}

console.log(await clients[client]())
