"""One request by one client library: client.py CLIENT URL."""

import asyncio
import os
import sys
import urllib.request

import aiohttp
import httpx
import requests

client, url = sys.argv[1:3]
fields = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Lab-Client": client}


def with_urllib():
    with urllib.request.urlopen(urllib.request.Request(url, headers=fields)) as answer:
        return answer.read().decode()


def with_requests():
    with requests.Session() as session:
        answer = session.post(url, headers=fields, json={"from": "requests"})
        answer.raise_for_status()
        return answer.text


def with_httpx(**options):
    with httpx.Client(**options) as session:
        answer = session.get(url, headers=fields)
        answer.raise_for_status()
        return answer.http_version + " " + answer.text


async def with_httpx_async():
    async with httpx.AsyncClient() as session:
        answer = await session.get(url, headers=fields)
        answer.raise_for_status()
        return answer.text


async def with_aiohttp():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.get(url, headers=fields, raise_for_status=True) as answer:
            return await answer.text()


print(
    {
        "python-urllib": with_urllib,
        "python-requests": with_requests,
        "python-httpx": with_httpx,
        "python-httpx-h2": lambda: with_httpx(http2=True),
        "python-httpx-async": lambda: asyncio.run(with_httpx_async()),
        "python-aiohttp": lambda: asyncio.run(with_aiohttp()),
    }[client]()
)
