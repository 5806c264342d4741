#!/usr/bin/env python3
"""The application behind the servers written in Python: it notes what it is given.

usage: apps.py tornado|waitress PORT

One line of JSON to the standard output for each request, written before it is answered.
"""
import json
import os
import sys


def note(source, method, target, body, whole=True):
    line = {'from': source, 'method': method, 'target': target,
            'body': body.decode('latin-1') if whole else None}
    os.write(1, (json.dumps(line) + '\n').encode())


def wsgi(environ, start_response):
    body = environ['wsgi.input'].read()
    size = environ.get('CONTENT_LENGTH')
    target = environ.get('RAW_URI') or environ.get('REQUEST_URI')
    if target is None:
        query = environ.get('QUERY_STRING')
        target = environ['PATH_INFO'] + ('?' + query if query else '')
    note(environ['REMOTE_ADDR'], environ['REQUEST_METHOD'], target, body,
         not size or int(size) == len(body))
    start_response('200 OK', [('Content-Length', '0'), ('Noted', '1')])
    return []


def tornado(port):
    # pylint: disable=import-error,import-outside-toplevel
    from tornado.httpserver import HTTPServer
    from tornado.httputil import HTTPHeaders, ResponseStartLine
    from tornado.ioloop import IOLoop

    def answer(request):
        note(request.remote_ip, request.method, request.uri, request.body)
        request.connection.write_headers(ResponseStartLine('HTTP/1.1', 200, 'OK'),
                                         HTTPHeaders({'Content-Length': '0', 'Noted': '1'}))
        request.connection.finish()

    HTTPServer(answer).listen(port, '127.0.0.1')
    IOLoop.current().start()


def waitress(port):
    # pylint: disable=import-error,import-outside-toplevel
    from waitress import serve
    serve(wsgi, listen='127.0.0.1:%d' % port, threads=4)


if __name__ == '__main__':
    {'tornado': tornado, 'waitress': waitress}[sys.argv[1]](int(sys.argv[2]))
