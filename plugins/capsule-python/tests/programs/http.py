from capsule import http, task


@task(name="main", allowed_hosts=["127.0.0.1"])
def main(url):
    response = http.get(url)
    return {"status": response.status_code, "body": response.text()}


@task(name="denied", allowed_hosts=["example.com"])
def denied(url):
    response = http.get(url)
    return {"status": response.status_code, "body": response.text()}
