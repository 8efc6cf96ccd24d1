// gRPC calls with messages of bytes: node rpc.mjs HOST:PORT. Prints the echoes.
import grpc from '@grpc/grpc-js'

const bytes = (message) => message
const client = new grpc.Client(process.argv[2], grpc.credentials.createSsl())
const options = { deadline: Date.now() + 60_000 }
const placeholder = new grpc.Metadata()
placeholder.set('authorization', 'Bearer authsome-proxy-managed')
placeholder.set('lab-client', 'node-grpc')

function unary() {
  return new Promise((resolve, reject) => {
    let trailer
    const call = client.makeUnaryRequest('/lab.Echo/Once', bytes, bytes, Buffer.from('squeak'), placeholder, options, (err, answer) => {
      if (err) reject(err)
      else setImmediate(() => resolve(`unary ${answer} ${trailer}`))
    })
    call.on('status', (status) => { trailer = status.metadata.get('lab-trailer')[0] })
  })
}

// Sends the next message when the one before has come back.
function stream() {
  return new Promise((resolve, reject) => {
    const echoes = []
    const call = client.makeBidiStreamRequest('/lab.Echo/Stream', bytes, bytes, placeholder, options)
    call.on('error', reject)
    call.on('data', (answer) => {
      echoes.push(`'${answer}'`)
      if (echoes.length === 5) call.end()
      else call.write(Buffer.from(`cheese ${echoes.length}`))
    })
    call.on('status', (status) => resolve(`stream [${echoes.join(', ')}] ${grpc.status[status.code]}`))
    call.write(Buffer.from('cheese 0'))
  })
}

console.log(await unary())
console.log(await stream())
client.close()
