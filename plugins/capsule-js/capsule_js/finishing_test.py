from __future__ import annotations

from functools import partial

import pytest

from capsule.errors import BuildError
from capsule_js import parameter_scopes
from capsule_js.finishing import OWN_SCOPE, finish
from capsule_js.syntax import parse


def finished(text: str) -> str:
    changed, _ = finish(text.encode(), (OWN_SCOPE,))
    assert not parse("bundle.js", changed).has_error
    return changed.decode()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            "f=(x,get=()=>x)=>{x++;return get()};",
            "f=(x,...__capsule_rest)=>{let [get=()=>x]=[...__capsule_rest];x++;return get()};",
        ),
        (
            "f=(x,get=()=>x)=>[x++,get()];",
            "f=(x,...__capsule_rest)=>{let [get=()=>x]=[...__capsule_rest];return([x++,get()])};",
        ),
        (
            "f=({x,get=()=>x})=>{x=2};",
            "f=(__capsule_parameter0)=>{let [{x,get=()=>x}]=[__capsule_parameter0];x=2};",
        ),
        (
            "class A{set v({x,g=()=>x}){x=2}}",
            "class A{set v(__capsule_parameter0){let [{x,g=()=>x}]=[__capsule_parameter0];x=2}}",
        ),
        (
            "function f(a,{b},c=()=>a,...d){a=1}",
            "function f(a,__capsule_parameter1,...__capsule_rest){let [{b},c=()=>a,...d]="
            "[__capsule_parameter1,...__capsule_rest];a=1}",
        ),
    ],
)
def test_parameters_that_closures_among_them_see_are_taken_apart_in_the_body(given: str, wanted: str) -> None:
    assert finished(given) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "function f(x,get=()=>x){return get()}",  # nobody assigns: a copy is as good
        "function f(x,get=()=>y){x=1}",
        "function f(x,y=x+1){x=1;return()=>x}",
        "function f(x,get=()=>x){var x;x=2}",  # the language says that these are two
        "function*f(x,y=now(),get=()=>x){x=2}",  # the defaults are the call's, the body is the first next()'s
        "function f(x){const{get=()=>x}=x;x=2}",
    ],
)
def test_other_functions_stay_as_they_are(text: str) -> None:
    assert finished(text) == text


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ('function f(){}__name(f,"f");g()', "function f(){}g()"),
        ('{function f(){}__name(f,"f")}', "{function f(){}}"),
        ('const a=__name(()=>1,"a"),b={c:__name(function(){},"c"),"d":__name(()=>2,"d")};', None),
        ('class A{static{__name(this,"A")}static x=__name(()=>1,"x")}', "class A{static x=()=>1}"),
        ('__name(function f(){},"f")();', "(function f(){})();"),
        ('let f=__name((x,g=__name(()=>x,"g"))=>x++,"f");', None),
    ],
)
def test_names_that_the_language_gives_anyway_cost_no_call(given: str, wanted: str | None) -> None:
    changed = finished(given)
    assert "__name" not in changed
    assert wanted in (None, changed)


@pytest.mark.parametrize(
    "text",
    [
        'function f2(){}__name(f2,"f");',
        'return __name(()=>1,"f");',
        'const f2=__name(()=>1,"f");',
        'const o={f:__name(function f2(){},"f")};',
        'var A2=class{static{__name(this,"A")}};',
        'var x=y||__name(()=>1,"x");',
        'var x=__name(()=>1,\n"x");',
        'class A{static{__name(this,\n"A")}}',
        'function f(){}__name(f,\n"f");',
        '({[f]:__name(()=>1,"f")});',
    ],
)
def test_names_that_would_be_others_are_kept(text: str) -> None:
    assert finished(text) == text


def test_functions_without_end_within_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "(a,b=()=>a)=>" * 100 + "a++;"
    assert finished(text).count("__capsule_rest") == 200
    monkeypatch.setattr(parameter_scopes, "Patience", partial(parameter_scopes.Patience, 10_000))
    with pytest.raises(BuildError, match="too deep"):
        finished(text)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("async()=>await x;", "async()=>await  __capsule_held(x);"),
        ("async()=>{await(x),y};", "async()=>{await __capsule_held((x)),y};"),
        (
            "async()=>await await f(await g());",
            "async()=>await  __capsule_held(await  __capsule_held(f(await  __capsule_held(g()))));",
        ),
        (
            'await __name(async()=>await y,"n");',
            'await  __capsule_held(__name(async()=>await  __capsule_held(y),"n"));',
        ),
        ("for await(const a of b)c();", "for await(const a of b)c();"),
        (
            "async(x,get=()=>x)=>await(x=get);",
            "async(x,...__capsule_rest)=>{let [get=()=>x]=[...__capsule_rest];"
            "return(await __capsule_held((x=get)))};",
        ),
    ],
)
def test_what_is_awaited_is_told_where_stores_go_along_with_work(given: str, wanted: str) -> None:
    stores = 'builtins["async_hooks"];'
    assert finished(stores + given) == stores + wanted
    assert "__capsule_held" not in finished(given)
