// Asks GitHub who the user is, with Octokit as its page says.
import { Octokit } from 'octokit'

const { data } = await new Octokit({ auth: process.env.GITHUB_TOKEN }).request('GET /user')
console.log(data.login)
