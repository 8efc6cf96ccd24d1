// Does with the SDK's defaults what a program does: who am I, an object up and
// down, one as a stream in parts, one by presigned URL.
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { Readable } from "node:stream";

const s3 = new S3Client({});
const show = async (Key) => {
	const object = await s3.send(new GetObjectCommand({ Bucket: "bucket", Key }));
	const body = await object.Body.transformToString();
	console.log(Key, body.length, body.slice(0, 5));
};

console.log("account", (await new STSClient({}).send(new GetCallerIdentityCommand({}))).Account);
await s3.send(new PutObjectCommand({ Bucket: "bucket", Key: "a b+c/ü", Body: "hello" }));
await show("a b+c/ü");
const piece = Buffer.from("0123456789abcdef".repeat(1 << 12));
const stream = Readable.from((function* () { for (let i = 0; i < 96; i++) yield piece; })());
await new Upload({ client: s3, params: { Bucket: "bucket", Key: "large", Body: stream } }).done();
await show("large");
const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket: "bucket", Key: "a b+c/ü" }), { expiresIn: 60 });
const answer = await fetch(url);
console.log("presigned", answer.status, await answer.text());
