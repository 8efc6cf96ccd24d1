// One request by HttpClient: client.exe LIBRARY URL.
using System;
using System.Net.Http;

class Client {
    static void Main(string[] args) {
        Console.WriteLine(new HttpClient().GetStringAsync(args[1]).Result);
    }
}
