// One stream by one SDK: node stream.mjs SERVICE. Each event is acknowledged
// with a request of its own; the server waits for that.
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { fetch, ProxyAgent } from 'undici'

const dispatcher = new ProxyAgent(process.env.HTTPS_PROXY)
const options = { fetch, fetchOptions: { dispatcher }, maxRetries: 0 }
const messages = [{ role: 'user', content: 'Say squeak' }]

const services = {
  async *'openai-chat'() {
    const stream = await new OpenAI(options).chat.completions.create({ model: 'lab-1', stream: true, messages })
    for await (const chunk of stream) yield chunk.choices[0].delta.content
  },
  async *'openai-responses'() {
    const stream = await new OpenAI(options).responses.create({ model: 'lab-1', stream: true, input: 'Say squeak' })
    for await (const event of stream) yield event.delta
  },
  async *anthropic() {
    const stream = await new Anthropic(options).messages.create({ model: 'lab-1', max_tokens: 10, stream: true, messages })
    for await (const event of stream) yield event.delta.text
  },
}

const service = process.argv[2]
const host = service === 'anthropic' ? 'api.anthropic.com' : 'api.openai.com'
let text = ''
for await (const part of services[service]()) {
  text += part
  await fetch(`https://${host}/v1/read`, { method: 'POST', dispatcher })
}
console.log(text)
