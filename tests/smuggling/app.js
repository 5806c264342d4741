// The application behind node: it notes what it is given, as apps.py does. Argument: the port.
'use strict';
const fs = require('fs');

const server = require('http').createServer((request, response) => {
    const pieces = [];
    request.on('data', piece => pieces.push(piece));
    request.on('end', () => {
        fs.writeSync(1, JSON.stringify({
            from: request.socket.source,
            method: request.method,
            target: request.url,
            body: Buffer.concat(pieces).toString('latin1'),
        }) + '\n');
        response.writeHead(200, { 'Content-Length': 0, 'Noted': 1 }).end();
    });
});
server.on('connection', socket => { socket.source = socket.remoteAddress; }); // forgotten at its end
server.listen(Number(process.argv[2]), '127.0.0.1');
